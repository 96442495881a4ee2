"""How a parallel step divides its input and when its failures are too many. Pure; starts nothing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE = re.compile(r"^\s*(\d+)\s*(b|kb|mb|gb)?\s*$", re.IGNORECASE)


def input_files(source: Path) -> list[Path]:
    """Every file of the input, in the order of their paths."""
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file())


def split(files: Sequence[Path], mini_batch_size: str) -> list[list[Path]]:
    """Mini-batches of that many files ("10"), or of files until that many bytes are reached ("100kb")."""
    match = _SIZE.match(mini_batch_size)
    if match is None or int(match[1]) == 0:
        raise ValueError(
            f"mini_batch_size {mini_batch_size!r} is neither a number of files nor a size such as 10kb"
        )
    if match[2]:
        return _split_by_bytes(files, int(match[1]) * _UNITS[match[2].lower()])
    size = int(match[1])
    return [list(files[start : start + size]) for start in range(0, len(files), size)]


def _split_by_bytes(files: Iterable[Path], limit: int) -> list[list[Path]]:
    batches: list[list[Path]] = []
    room = 0
    for file in files:
        size = file.stat().st_size
        if not batches or size > room:
            batches.append([])
            room = limit
        batches[-1].append(file)
        room -= size
    return batches


@dataclass(frozen=True)
class Thresholds:
    """What a parallel step tolerates; -1 tolerates everything, as Azure's defaults do."""

    mini_batches: int = -1
    items: int = -1
    failed_percent: float = 100.0


@dataclass
class Tally:
    """What became of the mini-batches so far."""

    total: int
    thresholds: Thresholds
    done: int = 0
    failed: int = 0
    failed_items: int = 0

    def succeeded(self) -> None:
        self.done += 1

    def gave_up(self, items: int) -> None:
        """A mini-batch failed for good; `items` of its inputs have no result."""
        self.done += 1
        self.failed += 1
        self.failed_items += items

    def excess(self) -> str | None:
        """Why the step must fail, or nothing."""
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
