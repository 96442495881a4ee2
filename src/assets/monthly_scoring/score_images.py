"""The parallel step's entry script: it takes a mini-batch of files and returns one JSON row for each.

It follows Azure ML's contract: init() once a process, run() for each mini-batch, shutdown() at the end. A
broken image is a row with its error; any other error fails the mini-batch, which Azure ML then tries again.
https://learn.microsoft.com/azure/machine-learning/how-to-use-parallel-job-in-pipeline
"""

import argparse
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import numpy as np
from decoding import BrokenImageError, Pixels, read_image
from image_model import ImageModel, Prediction
from rows import NOT_LISTED, Row, format_row, read_manifest

log = logging.getLogger(__name__)


class Scorer:
    """A scorer of the files that the manifest lists, by mini-batch."""

    def __init__(self, root: Path, names: Iterable[str], model: ImageModel) -> None:
        self._root = root
        self._names = frozenset(names)
        self._model = model
        # Half of them decode while half wait for the store.
        self._threads = ThreadPoolExecutor(2 * (os.cpu_count() or 1))

    def score(self, files: Sequence[str]) -> list[str]:
        """Return one row for each file: Azure ML treats fewer rows than files as a failure."""
        names = {file: self.name_of(file) for file in files}
        listed = [file for file, name in names.items() if name in self._names]
        outcomes = dict.fromkeys(files, Prediction(error=NOT_LISTED))
        whole: dict[str, Pixels] = {}
        for file, pixels in zip(listed, self._threads.map(self._read, listed), strict=True):
            if isinstance(pixels, BrokenImageError):
                outcomes[file] = Prediction(error=str(pixels))
            else:
                whole[file] = pixels
        if whole:
            outcomes.update(zip(whole, self._model.predict(np.stack([*whole.values()])), strict=True))
        return [format_row(Row(names[file], *outcomes[file])) for file in files]

    def name_of(self, file: str) -> str:
        """Return the file's name as it is in the manifest: relative to the folder."""
        path = PurePath(file)
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        # Azure ML may mount the mini-batches' files elsewhere than the input: the longest listed tail then.
        tails = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
        return next((tail for tail in tails if tail in self._names), path.name)

    def close(self) -> None:
        self._threads.shutdown()

    def _read(self, file: str) -> Pixels | BrokenImageError:
        shape = self._model.shape
        try:
            return read_image(Path(file), shape.height, shape.width, shape.channels)
        except BrokenImageError as error:
            return error


_scorer: Scorer


def init() -> None:
    """Load manifest and model once in each process."""
    global _scorer  # noqa: PLW0603  the contract is module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    _scorer = Scorer(args.images, read_manifest(args.manifest), ImageModel(args.model))


def run(mini_batch: Sequence[str]) -> list[str]:
    """Return the rows of one mini-batch."""
    rows = _scorer.score(list(mini_batch))
    log.info("mini_batch_scored files=%d", len(rows))
    return rows


def shutdown() -> None:
    _scorer.close()
