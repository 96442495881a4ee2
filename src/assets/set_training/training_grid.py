"""The rows of some keys on a grid without gaps, whose last cell is each key's newest value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from model_sets.bucket import Bucket
from model_sets.features import FeaturePlan, Grid, build
from model_sets.times import time_of

Array = np.ndarray[Any, Any]
MOST_CELLS = 200_000  # of one key: 22 years of hours
CHUNK_NUMBERS = 24_000_000  # features of a chunk of keys: 96 MB


@dataclass(frozen=True)
class Series:
    """A key of a bucket. `begin` and `end` limit the steps with a value; `refusal` says what is wrong."""

    place: int
    key: tuple[str, ...]
    rows: int
    begin: int
    end: int
    refusal: str = ""


def examine(bucket: Bucket, frequency: str, files: Sequence[str]) -> Iterator[Series]:
    """Yield each key of a bucket, with a refusal if it has two rows of one time, or too long a history."""
    for place, (key, rows) in enumerate(bucket):
        steps, known = bucket.steps[rows], ~np.isnan(bucket.values[rows])
        if not known.any():
            yield Series(place, key, 0, 0, 0)
            continue
        begin, end = int(steps[known][0]), int(steps[known][-1]) + 1
        refusal = _doubled(bucket, rows, frequency, files)
        if not refusal and end - begin > MOST_CELLS:
            span = f"from {time_of(begin, frequency)} to {time_of(end - 1, frequency)}"
            refusal = f"its rows reach {span}: {end - begin} steps, and at most {MOST_CELLS} are used"
        yield Series(place, key, int(known.sum()), begin, end, refusal)


def _doubled(bucket: Bucket, rows: slice, frequency: str, files: Sequence[str]) -> str:
    """Return which time has several rows and in which files, or an empty text if none has.

    Rows without a value do not count: they were to be forecast, and another partition has their values.
    """
    known = ~np.isnan(bucket.values[rows])
    steps, sources = bucket.steps[rows][known], bucket.files[rows][known]
    again = np.flatnonzero(steps[1:] == steps[:-1])
    if not len(again):
        return ""
    first = int(again[0])
    named = [files[int(sources[place])] for place in (first, first + 1)]
    where = f"in {named[0]}" if named[0] == named[1] else f"in {named[0]} and in {named[1]}"
    return f"{time_of(int(steps[first]), frequency)} has several rows, {where}"


@dataclass(frozen=True)
class Chunk:
    """Some keys of a bucket with their grid. The last `horizon` cells of each are its holdout."""

    series: tuple[Series, ...]
    plan: FeaturePlan
    grid: Grid

    @property
    def cut(self) -> int:
        """Return the first cell of the holdout."""
        return self.grid.values.shape[1] - self.plan.horizon

    @cached_property
    def features(self) -> Array:
        return build(self.plan, self.grid, 0, self.grid.values.shape[1])

    @cached_property
    def known(self) -> Array:
        return ~np.isnan(self.grid.values)

    def steps(self, number: int) -> Array:
        width = self.grid.values.shape[1]
        return np.asarray(self.grid.first[number] + np.arange(width))


def chunks(bucket: Bucket, series: Sequence[Series], plan: FeaturePlan) -> Iterator[Chunk]:
    """Yield the keys in chunks whose features fit into some 100 MB."""
    waiting: list[Series] = []
    width = 0
    for one in series:
        longer = max(width, one.end - one.begin)
        if waiting and longer * (len(waiting) + 1) * len(plan.names) > CHUNK_NUMBERS:
            yield _chunk(bucket, waiting, plan)
            waiting, longer = [], one.end - one.begin
        waiting.append(one)
        width = longer
    if waiting:
        yield _chunk(bucket, waiting, plan)


def _chunk(bucket: Bucket, series: Sequence[Series], plan: FeaturePlan) -> Chunk:
    width = max(plan.horizon, *(one.end - one.begin for one in series))
    values = np.full((len(series), width), np.nan, np.float32)
    covariates = np.full((len(series), width, len(plan.covariates)), np.nan, np.float32)
    first = np.array([one.end - width for one in series])
    for number, one in enumerate(series):
        rows = bucket.rows(one.place)
        cells = bucket.steps[rows] - first[number]
        inside, known = (cells >= 0) & (cells < width), ~np.isnan(bucket.values[rows])
        for some in (inside & ~known, inside & known):  # a known value replaces a row to forecast
            values[number, cells[some]] = bucket.values[rows][some]
            covariates[number, cells[some]] = bucket.covariates[rows][some]
    return Chunk(tuple(series), plan, Grid(values, first, covariates))
