"""Members: the models of single keys, and how each kind of them forecasts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from model_sets.errors import SetError
from model_sets.features import SEASON, FeaturePlan, Grid, build

Array = np.ndarray[Any, Any]
MOST_STEPS = 10_000  # how far after its newest value a member forecasts


@dataclass(frozen=True)
class MemberRows:
    """The rows of one key: their steps, covariates (rows, covariates), and the table for a user's member.

    `values` are the rows' own target values where they are known, and NaN elsewhere. They count as history: a
    forecast uses those that are at least a horizon older than its row.
    """

    steps: Array
    covariates: Array
    frame: Callable[[], Any]
    values: Array | None = None


@dataclass(frozen=True)
class Tail:
    """The newest values of a key. `end` is the step after the last of them."""

    end: int
    values: Array

    @classmethod
    def of(cls, plan: FeaturePlan, values: Array, end: int) -> "Tail":
        return cls(end, np.asarray(values[-plan.kept :], np.float32))


class Member(Protocol):
    """A model of one key."""

    memory_bytes: int

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row, NaN where there is none."""
        ...


@dataclass(frozen=True)
class _History:
    """Known values on a grid from step `first` on. The cells from `known` on have none."""

    first: int
    known: int
    values: Array

    @classmethod
    def of(cls, tail: Tail, rows: MemberRows, steps: Array, inside: Array) -> "_History":
        """Return the tail with the rows' own values, on a grid that has a cell for each of `steps`."""
        first = min(tail.end - len(tail.values), int(steps.min()))
        values = np.full(max(tail.end, int(steps.max()) + 1) - first, np.nan, np.float32)
        values[tail.end - len(tail.values) - first : tail.end - first] = tail.values
        known = tail.end - first
        if rows.values is not None:
            given = ~np.isnan(rows.values[inside])
            values[steps[given] - first] = rows.values[inside][given]
            known = max(known, int(steps[given].max(initial=first - 1)) - first + 1)
        return cls(first, known, values)


def _inside(tail: Tail, steps: Array) -> Array:
    """Return which steps are close enough to the newest value for a forecast."""
    return np.asarray(np.abs(steps - tail.end) <= MOST_STEPS)


class FeatureMember:
    """A member that forecasts from features: LightGBM or ridge."""

    def __init__(self, plan: FeaturePlan, tail: Tail, predict: Callable[[Array], Array], size: int) -> None:
        self._plan, self._tail, self._predict = plan, tail, predict
        self.memory_bytes = size

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row.

        Steps later than the horizon are forecast in blocks of a horizon, on the forecasts of earlier blocks.
        """
        answers = np.full(len(rows.steps), np.nan)
        inside = _inside(self._tail, rows.steps)
        if not inside.any():
            return answers
        steps = rows.steps[inside]
        history = _History.of(self._tail, rows, steps, inside)
        cells, values, known = steps - history.first, history.values, history.known
        covariates = np.full((1, len(values), len(self._plan.covariates)), np.nan, np.float32)
        covariates[0, cells] = rows.covariates[inside]
        grid = Grid(values[None], np.array([history.first]), covariates)
        dense = np.full(len(values), np.nan)
        for begin, end in self._blocks(int(cells.min()), int(cells.max()) + 1, known):
            dense[begin:end] = self._predict(build(self._plan, grid, begin, end)[0])
            later = slice(max(begin, known), end)
            values[later] = dense[later]
        answers[inside] = dense[cells]
        return answers

    def _blocks(self, begin: int, end: int, known: int) -> list[tuple[int, int]]:
        """Return the parts of the cells [begin, end) that are forecast one after another."""
        horizon = self._plan.horizon
        if end <= known + horizon:
            return [(begin, end)]
        blocks = [(start, min(start + horizon, end)) for start in range(known, end, horizon)]
        return [(begin, known), *blocks] if begin < known else blocks


class ScaledMember:
    """A member of a group of keys, for a key whose level is `scale` times that of the group's values."""

    def __init__(self, member: Member, scale: float) -> None:
        self._member, self._scale = member, scale
        self.memory_bytes = member.memory_bytes

    def forecast(self, rows: MemberRows) -> Array:
        known = None if rows.values is None else rows.values / self._scale
        return self._member.forecast(replace(rows, values=known)) * self._scale


class SeasonalNaive:
    """The baseline: the newest known value of the same place in the season, such as the same weekday."""

    def __init__(self, plan: FeaturePlan, tail: Tail) -> None:
        self._plan, self._tail = plan, tail
        self.memory_bytes = tail.values.nbytes + 200

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row. Rows of the newest horizon do not see its values."""
        answers = np.full(len(rows.steps), np.nan)
        inside = _inside(self._tail, rows.steps)
        if not inside.any():
            return answers
        steps, season = rows.steps[inside], SEASON[self._plan.frequency]
        history = _History.of(self._tail, rows, steps, inside)
        cells, horizon = steps - history.first, self._plan.horizon
        holdout = history.known - horizon
        # The cells before `cut` may be used: all that is known, or all that was known a horizon ago.
        cut = np.where(cells >= history.known, history.known, np.minimum(holdout, cells - horizon + 1))
        cut = np.where((cells >= holdout) & (cells < history.known), holdout, cut)
        newest = cut - 1 - (cut - 1 - cells) % season
        filled = _filled(history.values, season)
        known = history.values[: max(holdout, 0)]
        known = known if np.isfinite(known).any() else history.values
        rest = np.nanmean(known, dtype=np.float64) if np.isfinite(known).any() else np.nan
        found = np.where(newest >= 0, filled[np.maximum(newest, 0)], np.nan)
        answers[inside] = np.where(np.isnan(found), rest, found)
        return answers


def _filled(values: Array, season: int) -> Array:
    """Return the values with each gap filled by the newest earlier value of the same place in the season."""
    rows = -(-len(values) // season)
    padded = np.full(rows * season, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(rows, season)
    newest = np.where(np.isnan(table), 0, np.arange(rows)[:, None])
    np.maximum.accumulate(newest, axis=0, out=newest)
    return np.asarray(np.take_along_axis(table, newest, axis=0).reshape(-1))


class UserMember:
    """A member of a user's own training: an object with `predict(table)`."""

    def __init__(self, model: Any, size: int) -> None:
        self._model = model
        self.memory_bytes = size

    def forecast(self, rows: MemberRows) -> Array:
        frame = rows.frame()
        answers = np.asarray(self._model.predict(frame), dtype=np.float64).reshape(-1)
        if len(answers) != len(rows.steps):
            raise SetError(f"the member answered {len(answers)} numbers for {len(rows.steps)} rows")
        return answers
