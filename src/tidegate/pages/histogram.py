"""The distribution of numbers as bars, for a picture that the server draws as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BINS = 40
_SHOWN = 0.98  # the share of the numbers below the last bar, which has all others
_HEIGHT = 120.0
_BAR = 15


@dataclass(frozen=True)
class Histogram:
    """How many numbers of each series are in each bin. The last bin has also what is above `end`."""

    end: float
    counts: Mapping[str, Sequence[int]]

    @property
    def most(self) -> int:
        """The highest bar."""
        return max(max(counts) for counts in self.counts.values())

    def steps(self, series: str) -> str:
        """Return the outline of a series as the path of an area, 600 wide and 120 high."""
        path = f"M0,{_HEIGHT:g}"
        for number, count in enumerate(self.counts[series]):
            y = _HEIGHT - _HEIGHT * count / self.most
            path += f" L{number * _BAR},{y:.1f} L{(number + 1) * _BAR},{y:.1f}"
        return f"{path} L{_BINS * _BAR},{_HEIGHT:g} Z"


def histogram(series: Mapping[str, Sequence[float]]) -> Histogram | None:
    """Return the distribution of numbers that are not negative, or None if there are none."""
    finite = {name: [value for value in values if math.isfinite(value)] for name, values in series.items()}
    every = sorted(value for values in finite.values() for value in values)
    if not every:
        return None
    end = every[min(len(every) - 1, int(len(every) * _SHOWN))] or 1.0
    return Histogram(end, {name: _counts(values, end) for name, values in finite.items() if values})


def _counts(values: Sequence[float], end: float) -> list[int]:
    counts = [0] * _BINS
    for value in values:
        counts[min(max(int(value / end * _BINS), 0), _BINS - 1)] += 1
    return counts
