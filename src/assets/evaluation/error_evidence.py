"""The evidence that the gate reads about predicted numbers: the errors of both models, overall and by slice.

What is resampled for confidence intervals is a group of rows: the rows of one key of a model set, because
they depend on each other, or a single row of a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from model_sets.key_errors import METRICS, REASON_ZEROS, Array, errors_of, rows_of
from scipy.stats import bootstrap

RESAMPLES = 1_000
BATCH_GROUPS = 2_000_000  # the greatest number of resampled groups that are in memory at the same time
MOST_SLICES = 1_000


class TooManySlicesError(ValueError):
    """A column to slice by that has more values than the gate can judge one by one."""


@dataclass(frozen=True)
class ErrorSums:
    """The sums of the errors of all groups: arrays (groups, 6), with the columns `key_errors.SUMS`.

    `candidate` is over the rows that this model forecasts. `both` is over the rows that both models forecast,
    first of the candidate, then of the champion. Without a champion it is None.
    """

    candidate: Array
    both: tuple[Array, Array] | None = None


def measured(sums: ErrorSums, confidence: float) -> dict[str, Any]:
    """Return `n` and `metrics` of some groups, on the rows that both models forecast.

    `rows` says over how many rows each metric is, and `undefined` why a metric has no value.
    """
    models = list(sums.both) if sums.both else [sums.candidate]
    cells = _cells(models, confidence)
    rows = {name: int(count) for name, count in rows_of(models[0].sum(axis=0)).items()}
    reason = REASON_ZEROS if rows["mae"] else "there are no rows"
    undefined = {name: reason for name, cell in cells.items() if cell["candidate"]["value"] is None}
    return {"n": rows["mae"], "metrics": cells, "rows": rows, "undefined": undefined}


def sliced(sums: ErrorSums, by: str, values: Sequence[str], confidence: float) -> dict[str, Any]:
    """Return the slices by a column, of which `values` has one entry for each group."""
    names, codes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    if len(names) > MOST_SLICES:
        raise TooManySlicesError(
            f"the column {by} has {len(names)} values, and slices can have at most {MOST_SLICES}"
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = {
        str(name): measured(_some(sums, order[start:end]), confidence)
        for name, start, end in zip(names, bounds[:-1], bounds[1:], strict=True)
    }
    return {"by": by, "values": parts}


def totals(sums: Array) -> dict[str, Any]:
    """Return each metric of a model over all its rows, with the number of rows that it is over."""
    added = sums.sum(axis=0)
    values, rows = errors_of(added), rows_of(added)
    return {name: {"value": _finite(float(values[name])), "rows": int(rows[name])} for name in METRICS}


def _some(sums: ErrorSums, groups: Array) -> ErrorSums:
    both = (sums.both[0][groups], sums.both[1][groups]) if sums.both else None
    return ErrorSums(sums.candidate[groups], both)


def _cells(models: Sequence[Array], confidence: float) -> dict[str, Any]:
    """Return the cells of each metric: candidate, champion, and the difference of the same rows."""
    values = _statistic(models, np.ones((1, len(models[0]))))[..., 0]
    low = high = np.full_like(values, math.nan)
    groups = np.flatnonzero(models[0][:, 0])  # groups without rows change nothing
    if len(groups) > 1:
        low, high = _interval([model[groups] for model in models], confidence)
    cells: dict[str, Any] = {}
    for number, name in enumerate(METRICS):
        sides = [
            _cell(values[side, number], low[side, number], high[side, number]) for side in range(len(values))
        ]
        champion, difference = sides[1:] if len(sides) == 3 else (None, None)
        cells[name] = {"candidate": sides[0], "champion": champion, "difference": difference}
    return cells


def _interval(models: Sequence[Array], confidence: float) -> tuple[Array, Array]:
    """Return the bounds of SciPy's percentile bootstrap, with the same groups for both models."""
    groups = len(models[0])

    def statistic(drawn: Array, axis: int = -1) -> Array:  # noqa: ARG001  scipy's contract
        # The sums of a resample are those of the groups, times how often each was drawn.
        flat = drawn.reshape(-1, groups).astype(np.int64)
        offsets = np.arange(len(flat))[:, None] * groups
        weights = np.bincount((flat + offsets).ravel(), minlength=len(flat) * groups)
        values = _statistic(models, weights.reshape(len(flat), groups).astype(np.float64))
        return values.reshape(*values.shape[:2], *drawn.shape[:-1])

    interval = bootstrap(
        (np.arange(groups),),
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_GROUPS // groups),
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return interval.low, interval.high


def _statistic(models: Sequence[Array], weights: Array) -> Array:
    """Return metrics (sides, metrics, resamples) from weights (resamples, groups) of the groups."""
    per_model = [errors_of(weights @ model) for model in models]
    values = np.stack([np.stack([metrics[name] for name in METRICS]) for metrics in per_model])
    return np.concatenate([values, values[:1] - values[1:]]) if len(values) == 2 else values


def _cell(value: float, low: float, high: float) -> dict[str, float | None]:
    return {"value": _finite(value), "low": _finite(low), "high": _finite(high)}


def _finite(value: float) -> float | None:
    """Return a number that JSON has, or None. Small errors keep their digits: 9 of them, as a rule."""
    return float(f"{value:.9g}") if math.isfinite(value) else None
