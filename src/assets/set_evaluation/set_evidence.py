"""The evidence that the gate reads: the errors of both sets in total and by slice, and the counts of keys.

Rows of one key depend on each other, so confidence intervals come from resampled keys, not rows.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from member_rule import MemberDecision
from model_sets.key_errors import METRICS, REASON_ZEROS, Array, errors_of, rows_of
from scipy.stats import bootstrap

RESAMPLES = 1_000
BATCH_KEYS = 2_000_000  # the greatest number of resampled keys that are in memory at the same time
MOST_SLICES = 1_000


class TooManySlicesError(ValueError):
    """A column to slice by that has more values than the gate can judge one by one."""


@dataclass(frozen=True)
class KeySums:
    """The sums of all keys: arrays (keys, 6).

    `candidate` is over the rows that this set forecasts. `both` is over the rows that both sets forecast,
    first of the candidate, then of the champion. Without a champion it is None.
    """

    candidate: Array
    both: tuple[Array, Array] | None = None


def measured(sums: KeySums, confidence: float) -> dict[str, Any]:
    """Return `n` and `metrics` of some keys, on the rows that both sets forecast.

    `rows` says over how many rows each metric is, and `undefined` why a metric has no value.
    """
    models = list(sums.both) if sums.both else [sums.candidate]
    cells = _cells(models, confidence)
    rows = {name: int(count) for name, count in rows_of(models[0].sum(axis=0)).items()}
    reason = REASON_ZEROS if rows["mae"] else "there are no rows"
    undefined = {name: reason for name, cell in cells.items() if cell["candidate"]["value"] is None}
    return {"n": rows["mae"], "metrics": cells, "rows": rows, "undefined": undefined}


def sliced(sums: KeySums, by: str, values: Sequence[str], confidence: float) -> dict[str, Any]:
    """Return the slices by a key column, of which `values` has one entry for each key."""
    names, codes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    if len(names) > MOST_SLICES:
        raise TooManySlicesError(
            f"the column {by} has {len(names)} values, and slices can have at most {MOST_SLICES}: "
            "members.parquet has the errors of each key"
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = {
        str(name): measured(_some(sums, order[start:end]), confidence)
        for name, start, end in zip(names, bounds[:-1], bounds[1:], strict=True)
    }
    return {"by": by, "values": parts}


def totals(sums: Array) -> dict[str, Any]:
    """Return each metric of a set over all its rows, with the number of rows that it is over."""
    added = sums.sum(axis=0)
    values, rows = errors_of(added), rows_of(added)
    return {name: {"value": _finite(float(values[name])), "rows": int(rows[name])} for name in METRICS}


def counts_of(
    decisions: Sequence[MemberDecision], states: Sequence[str], has_member: Sequence[bool]
) -> dict[str, Any]:
    """Return the counts of the block `set`.

    `states` are the states of the candidate's keys, and `has_member` says which of them have a member. A key
    that the champion forecasts and the candidate does not counts as worse. `dropped` are keys whose member in
    the candidate does not go on, and neither does one of the champion.
    """
    keys = len(decisions)
    compared = Counter(decision.comparison for decision in decisions)
    chosen = Counter(decision.choice for decision in decisions)
    of_state = Counter(states)
    failed = of_state["failed"]
    both = sum(compared[name] for name in ("better", "worse", "undecided"))
    worse, shared = compared["worse"] + compared["lost"], both + compared["lost"]
    members = chosen["candidate"] + chosen["champion"]
    dropped = sum(
        decision.choice == "none" and had for decision, had in zip(decisions, has_member, strict=True)
    )
    return {
        "keys": keys,
        "members": members,
        "coverage": members / keys if keys else 0.0,
        "failed": failed,
        "too_few_rows": of_state["too_few_rows"],
        "missing": of_state["missing"],
        "share_failed": failed / keys if keys else 0.0,
        "compared": both,
        **{name: compared[name] for name in ("better", "worse", "undecided", "lost", "new")},
        "share_worse": worse / shared if shared else 0.0,
        "took": chosen["candidate"],
        "kept": chosen["champion"],
        "dropped": dropped,
    }


def _some(sums: KeySums, keys: Array) -> KeySums:
    both = (sums.both[0][keys], sums.both[1][keys]) if sums.both else None
    return KeySums(sums.candidate[keys], both)


def _cells(models: Sequence[Array], confidence: float) -> dict[str, Any]:
    """Return the cells of each metric: candidate, champion, and the difference of the same rows."""
    values = _statistic(models, np.ones((1, len(models[0]))))[..., 0]
    low = high = np.full_like(values, math.nan)
    keys = np.flatnonzero(models[0][:, 0])  # keys without rows change nothing
    if len(keys) > 1:
        low, high = _interval([model[keys] for model in models], confidence)
    cells: dict[str, Any] = {}
    for number, name in enumerate(METRICS):
        sides = [
            _cell(values[side, number], low[side, number], high[side, number]) for side in range(len(values))
        ]
        champion, difference = sides[1:] if len(sides) == 3 else (None, None)
        cells[name] = {"candidate": sides[0], "champion": champion, "difference": difference}
    return cells


def _interval(models: Sequence[Array], confidence: float) -> tuple[Array, Array]:
    """Return the bounds of SciPy's percentile bootstrap, with the same keys for both sets."""
    keys = len(models[0])

    def statistic(drawn: Array, axis: int = -1) -> Array:  # noqa: ARG001  scipy's contract
        # The sums of a resample are those of the keys, times how often each was drawn.
        flat = drawn.reshape(-1, keys).astype(np.int64)
        offsets = np.arange(len(flat))[:, None] * keys
        weights = np.bincount((flat + offsets).ravel(), minlength=len(flat) * keys)
        values = _statistic(models, weights.reshape(len(flat), keys).astype(np.float64))
        return values.reshape(*values.shape[:2], *drawn.shape[:-1])

    interval = bootstrap(
        (np.arange(keys),),
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_KEYS // keys),
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return interval.low, interval.high


def _statistic(models: Sequence[Array], weights: Array) -> Array:
    """Return metrics (sides, metrics, resamples) from weights (resamples, keys) of the keys."""
    per_model = [errors_of(weights @ model) for model in models]
    values = np.stack([np.stack([metrics[name] for name in METRICS]) for metrics in per_model])
    return np.concatenate([values, values[:1] - values[1:]]) if len(values) == 2 else values


def _cell(value: float, low: float, high: float) -> dict[str, float | None]:
    return {"value": _finite(value), "low": _finite(low), "high": _finite(high)}


def _finite(value: float) -> float | None:
    """Return a number that JSON has, or None. Small errors keep their digits: 9 of them, as a rule."""
    return float(f"{value:.9g}") if math.isfinite(value) else None
