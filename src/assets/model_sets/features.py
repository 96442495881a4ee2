"""The features of a member: values of earlier steps, means of windows, the calendar, and covariates.

Members forecast directly: no feature uses a value of the `horizon` steps before the row. So the features of
all steps of a horizon are known when it begins, and no forecast depends on another one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from model_sets.info import SetInfo
from model_sets.times import start_of

Array = np.ndarray[Any, Any]
SHORT = {"hour": 24, "day": 7, "week": 1, "month": 1}  # steps between two lags
LONG = {"hour": 168, "day": 364, "week": 52, "month": 12}  # steps of the longest season
WINDOWS = {"hour": (24, 168), "day": (7, 28, 91), "week": (4, 13, 26), "month": (3, 6, 12)}
SEASON = {"hour": 24, "day": 7, "week": 52, "month": 12}  # of the seasonal naive forecast
LAGS = 5
CALENDAR = {
    "hour": ("hour", "weekday", "day", "month", "step"),
    "day": ("weekday", "day", "month", "day_of_year", "step"),
    "week": ("month", "day_of_year", "step"),
    "month": ("month", "step"),
}


@dataclass(frozen=True)
class FeaturePlan:
    """The features of all members of a set."""

    horizon: int
    frequency: str
    covariates: tuple[str, ...]

    @classmethod
    def of(cls, info: SetInfo) -> "FeaturePlan":
        return cls(info.horizon, info.frequency, info.covariates)

    @property
    def lags(self) -> tuple[int, ...]:
        """Return the lags in steps. A lag of 7 days is the value of seven days ago, not of seven rows ago."""
        short, long = SHORT[self.frequency], LONG[self.frequency]
        first = -(-self.horizon // short) * short
        lags = [first + short * number for number in range(LAGS)]
        return tuple(dict.fromkeys([*lags, -(-self.horizon // long) * long]))

    @property
    def windows(self) -> tuple[int, ...]:
        return WINDOWS[self.frequency]

    @property
    def depth(self) -> int:
        """Return how many steps before a row its features reach."""
        return max(*self.lags, self.horizon + max(self.windows))

    @property
    def kept(self) -> int:
        """Return how many of the newest values a member keeps: enough for its holdout, too."""
        return self.depth + self.horizon

    @property
    def names(self) -> list[str]:
        lags = [f"lag_{lag}" for lag in self.lags]
        windows = [f"mean_{window}" for window in self.windows]
        return [*lags, "mean_of_lags", *windows, *CALENDAR[self.frequency], *self.covariates]

    @property
    def weekday(self) -> int | None:
        """Return the place of the feature `weekday`, or None if there is none."""
        return self.names.index("weekday") if "weekday" in CALENDAR[self.frequency] else None


@dataclass(frozen=True)
class Grid:
    """Values of some members on a grid of steps without gaps.

    `values` (members, cells) has NaN where there is no value. `first` has the step of each member's cell 0.
    `covariates` has the shape (members, cells, covariates).
    """

    values: Array
    first: Array
    covariates: Array


def build(plan: FeaturePlan, grid: Grid, begin: int, end: int) -> Array:
    """Return the features of the cells [begin, end): float32 (members, end - begin, features).

    In memory, the cells of a feature follow each other, which is faster to write.
    """
    values = grid.values
    members, width = len(values), end - begin
    built = np.empty((members, len(plan.names), width), np.float32)
    for place, lag in enumerate(plan.lags):
        _shift(values, begin, lag, built[:, place])
    count = len(plan.lags)
    built[:, count] = _mean_of_known(built[:, :LAGS])
    place = count + 1
    known = ~np.isnan(values)
    total = _running(np.where(known, values, 0), np.float64)
    number = _running(known, np.int32)
    for window in plan.windows:
        _window_mean(total, number, (begin - plan.horizon + 1, window), built[:, place])
        place += 1
    first = grid.first[:1] if (grid.first == grid.first[:1]).all() else grid.first
    steps = first[:, None] + np.arange(begin, end)
    for name in CALENDAR[plan.frequency]:
        built[:, place] = _calendar(name, steps, plan.frequency)
        place += 1
    built[:, place:] = grid.covariates[:, begin:end].transpose(0, 2, 1)
    return built.transpose(0, 2, 1)


def _shift(values: Array, begin: int, lag: int, into: Array) -> None:
    """Write the values of `lag` cells earlier, NaN where there is no such cell."""
    start, width = begin - lag, into.shape[1]
    missing = min(max(-start, 0), width)
    into[:, :missing] = np.nan
    into[:, missing:] = values[:, start + missing : start + width]


def _mean_of_known(cells: Array) -> Array:
    """Return the mean over the axis 1 of the numbers that are not NaN."""
    shape = (cells.shape[0], cells.shape[2])
    total, number = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for place in range(cells.shape[1]):
        known = ~np.isnan(cells[:, place])
        np.add(total, cells[:, place], out=total, where=known)
        number += known
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _running(cells: Array, kind: Any) -> Array:
    """Return the running totals of each row, with a 0 in front."""
    totals = np.zeros((cells.shape[0], cells.shape[1] + 1), kind)
    np.cumsum(cells, axis=1, out=totals[:, 1:], dtype=kind)
    return totals


def _window_mean(total: Array, number: Array, window: tuple[int, int], into: Array) -> None:
    """Write the mean of the known values in each window that ends before the cell, NaN if it has none."""
    last, length = window
    width = into.shape[1]
    counts = _part(number, last, width) - _part(number, last - length, width)
    sums = _part(total, last, width) - _part(total, last - length, width)
    into[:] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _part(totals: Array, begin: int, width: int) -> Array:
    """Return the columns [begin, begin + width). Before the first and after the last one, these repeat."""
    inside = totals[:, max(begin, 0) : max(begin + width, 0)]
    if inside.shape[1] == width:
        return inside
    before = min(max(-begin, 0), width)
    part = np.empty((totals.shape[0], width), totals.dtype)
    part[:, :before] = totals[:, :1]
    part[:, before : before + inside.shape[1]] = inside
    part[:, before + inside.shape[1] :] = totals[:, -1:]
    return part


def _calendar(name: str, steps: Array, frequency: str) -> Array:
    if name == "step":
        return steps
    if frequency == "day" and name == "weekday":
        return (steps + 3) % 7
    lowest = int(steps.min())
    return np.asarray(_calendar_between(name, lowest, int(steps.max()) + 1, frequency)[steps - lowest])


@lru_cache(maxsize=64)  # most keys of a bucket have the same time span
def _calendar_between(name: str, begin: int, end: int, frequency: str) -> Array:
    return _calendar_of(name, start_of(np.arange(begin, end), frequency)).astype(np.float32)


def _calendar_of(name: str, starts: Array) -> Array:
    days = starts.astype("datetime64[D]")
    numbers = days.astype(np.int64)
    if name == "hour":
        return np.asarray((starts.astype("datetime64[h]") - days).astype(np.int64))
    if name == "weekday":
        return np.asarray((numbers + 3) % 7)
    months = days.astype("datetime64[M]")
    if name == "day":
        return np.asarray((days - months).astype(np.int64) + 1)
    if name == "month":
        return np.asarray(months.astype(np.int64) % 12 + 1)
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.int64) + 1)
