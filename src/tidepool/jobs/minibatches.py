"""Mini-batches of a parallel step: the division of the input, and the limits on failed mini-batches."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE = re.compile(r"^\s*(\d+)\s*(b|kb|mb|gb)?\s*$", re.IGNORECASE)


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
    match = _SIZE.match(mini_batch_size)
    if match is None or int(match[1]) == 0:
        raise ValueError(
            f"mini_batch_size is {mini_batch_size!r}: it must be a number of files, or a size such as 10kb"
        )
    if match[2]:
        return _split_by_bytes(files, int(match[1]) * _UNITS[match[2].lower()])
    size = int(match[1])
    return [list(files[start : start + size]) for start in range(0, len(files), size)]


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
