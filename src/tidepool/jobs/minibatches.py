"""Mini-batches of a parallel step: the division of the input, and the limits on failed mini-batches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE = re.compile(r"^\s*(\d+)\s*(b|kb|mb|gb)?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class MiniBatch:
    """What one call of `run` gets: files, or the rows in the pickled DataFrame `frame`.

    `size` is the number of its items. `partition` has the values of the partition keys.
    """

    files: tuple[str, ...] = ()
    frame: str | None = None
    size: int = 0
    partition: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, files: Sequence[Path], partition: Mapping[str, Any] | None = None) -> MiniBatch:
        return cls(tuple(str(file) for file in files), size=len(files), partition=partition)

    @property
    def expected_results(self) -> int:
        """Return how many results `run` must return at least. A script may return none for a partition."""
        return 0 if self.partition is not None else self.size


def input_files(source: Path) -> list[Path]:
    """Return all files of the input, sorted by path, also those that cannot be opened."""
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file() or path.is_symlink())


def split(files: Sequence[Path], mini_batch_size: str) -> list[list[Path]]:
    """Divide the files into mini-batches.

    The size of a mini-batch is a number of files ("10") or of bytes ("100kb"). A file that is larger than
    this size gets a mini-batch of its own.
    """
    number, unit = _number_and_unit(mini_batch_size)
    if unit:
        return _split_by_bytes(files, byte_size(mini_batch_size))
    return [list(files[start : start + number]) for start in range(0, len(files), number)]


def byte_size(mini_batch_size: str) -> int:
    """Return the size of a mini-batch in bytes, from a text such as 10kb or 500."""
    number, unit = _number_and_unit(mini_batch_size)
    return number * _UNITS[unit.lower()]


def _number_and_unit(mini_batch_size: str) -> tuple[int, str]:
    match = _SIZE.match(mini_batch_size)
    if match is None or int(match[1]) == 0:
        raise ValueError(
            f"mini_batch_size is {mini_batch_size!r}: it must be a number of files, or a size such as 10kb"
        )
    return int(match[1]), match[2] or ""


def _split_by_bytes(files: Iterable[Path], limit: int) -> list[list[Path]]:
    batches: list[list[Path]] = []
    room = 0
    for file in files:
        size = file.lstat().st_size
        if not batches or size > room:
            batches.append([])
            room = limit
        batches[-1].append(file)
        room -= size
    return batches


@dataclass(frozen=True)
class Thresholds:
    """Limits on the failures of a parallel step. -1 means no limit, which is Azure's default."""

    mini_batches: int = -1
    items: int = -1
    failed_percent: float = 100.0


@dataclass
class Tally:
    """Counts of the mini-batches that have ended so far."""

    total: int
    thresholds: Thresholds
    done: int = 0
    failed: int = 0
    failed_items: int = 0

    def count_success(self) -> None:
        self.done += 1

    def count_failure(self, items: int) -> None:
        """Count a mini-batch whose last attempt failed.

        `items` is the number of its inputs without a result.
        """
        self.done += 1
        self.failed += 1
        self.failed_items += items

    def excess(self) -> str | None:
        """Return a sentence about the limit that is exceeded, or None if the step may continue."""
        limits = self.thresholds
        if 0 <= limits.mini_batches < self.failed:
            return f"{self.failed} mini-batches failed, mini_batch_error_threshold is {limits.mini_batches}"
        if 0 <= limits.items < self.failed_items:
            return f"{self.failed_items} items failed, error_threshold is {limits.items}"
        percent = 100.0 * self.failed / self.total if self.total else 0.0
        if percent > limits.failed_percent:
            allowed = f"{limits.failed_percent:g}"
            return f"{percent:.1f} % of the mini-batches failed, allowed_failed_percent is {allowed}"
        return None
