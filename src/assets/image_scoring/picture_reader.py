"""Reads and decodes files ahead of the model, in the order of the files.

Many threads wait for the storage, and as many threads as cores decode, while the caller uses the pictures
that were ready before. Tiny files are read by the caller's thread: threads that hand over so little work
only wait for each other.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from decoding import BrokenImageError, Picture, decode, read_bytes
from image_input import Frame

Read = Picture | BrokenImageError
Fetched = list[bytes | BrokenImageError]

FETCHERS = 16
GROUP = 4  # files that are handed over together
MOST_GROUPS = 48  # read ahead
MOST_BYTES = 128 * 2**20  # of files that are read ahead
MOST_PIXELS = 64 * 2**20  # of pictures that are decoded ahead
LIGHT_S = 0.0005  # a file that takes less is read by the caller's thread
MOST_HEAVY = 3  # files in a row that take longer: then the threads read the others


class PictureReader:
    """Threads that read ahead. `frame` is what the model takes."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode")
        self._heavy = 0
        frames = GROUP * frame.height * frame.width
        self._limit = max(2, min(MOST_GROUPS, MOST_PIXELS // frames))
        self._files = self._bytes = 0

    def read(self, files: Sequence[str]) -> Iterator[Read]:
        """Yield the picture of each file, or its error, in the order of the files."""
        done = 0
        while done < len(files) and self._heavy < MOST_HEAVY:
            began = time.perf_counter()
            picture = self._decode(self._fetch(files[done]))
            light = time.perf_counter() - began < LIGHT_S
            self._heavy = 0 if light else self._heavy + 1
            done += 1
            yield picture
        yield from self._ahead(files[done:])

    def close(self) -> None:
        """Stop the threads."""
        self._fetchers.shutdown()
        self._decoders.shutdown()

    def _ahead(self, files: Sequence[str]) -> Iterator[Read]:
        waiting: deque[Future[list[Read]]] = deque()
        for start in range(0, len(files), GROUP):
            while len(waiting) >= self.groups_ahead():
                yield from waiting.popleft().result()
            fetched = self._fetchers.submit(self._fetched, files[start : start + GROUP])
            waiting.append(self._decoders.submit(lambda fetched: self._decoded(fetched.result()), fetched))
        while waiting:
            yield from waiting.popleft().result()

    def groups_ahead(self) -> int:
        """Return how many groups may be in memory, by the size of a picture and the mean size of a file."""
        group = GROUP * self._bytes / max(1, self._files)
        return max(2, min(self._limit, int(MOST_BYTES / max(1.0, group))))

    def _fetched(self, files: Sequence[str]) -> Fetched:
        return [self._fetch(file) for file in files]

    def _fetch(self, file: str) -> bytes | BrokenImageError:
        try:
            data = read_bytes(file)
        except BrokenImageError as error:
            return error
        self._files += 1
        self._bytes += len(data)
        return data

    def _decoded(self, contents: Fetched) -> list[Read]:
        return [self._decode(content) for content in contents]

    def _decode(self, content: bytes | BrokenImageError) -> Read:
        if isinstance(content, BrokenImageError):
            return content
        try:
            return decode(content, self._frame)
        except BrokenImageError as error:
            return error
