"""The influence of each covariate on a set's forecasts: how much the error grows if its values are permuted.

The values of a covariate are permuted within each key, so the level of a key stays as it is. A forecast that
does not change does not use the covariate.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from forecast_bucket import forecast_bucket
from holdout import read_holdout
from model_sets.bucket import Bucket
from model_sets.format import ModelSet
from model_sets.key_errors import Array, errors_of, sums_of

MOST_KEYS = 200
REPEATS = 5


def permutation_importance(members: ModelSet, scratch: Path, horizon: int | None) -> dict[str, Any] | None:
    """Return the growth of the mean absolute error for each covariate, most influential first.

    At most 200 keys of the holdout are used, always the same ones. Without covariates, return None.
    """
    info = members.info
    if not info.covariates:
        return None
    bucket = _sample(members, scratch, horizon)
    if not len(bucket.steps):
        return None
    rng = np.random.default_rng(0)
    base = _mae(members, bucket)
    growth: dict[str, dict[str, float]] = {}
    for place, name in enumerate(info.covariates):
        changes = []
        for _ in range(REPEATS):
            covariates = bucket.covariates.copy()
            for _, rows in bucket:
                covariates[rows, place] = rng.permutation(covariates[rows, place])
            changes.append(_mae(members, replace(bucket, covariates=covariates)) - base)
        growth[name] = {
            "mean": round(float(np.mean(changes)), 9),
            "deviation": round(float(np.std(changes)), 9),
        }
    ordered = dict(sorted(growth.items(), key=lambda item: -item[1]["mean"]))
    return {"metric": "mae", "keys": len(bucket.keys), "value": round(base, 9), "growth": ordered}


def _sample(members: ModelSet, scratch: Path, horizon: int | None) -> Bucket:
    """Return rows of the first keys that have a member, from one bucket after another."""
    parts: list[Bucket] = []
    numbers = sorted(int(folder.name.partition("=")[2]) for folder in _folders(scratch))
    for number in numbers:
        parts.append(read_holdout(scratch, "candidate", number, members.info, horizon))
        if sum(len(part.keys) for part in parts) >= MOST_KEYS:
            break
    keys = [key for part in parts for key in part.keys][:MOST_KEYS]
    counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    offsets = np.cumsum(counts)[: len(keys) + 1]
    end = int(offsets[-1])
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])[:end] if parts else np.zeros(0)
        for name in ("steps", "values", "covariates", "files")
    }
    return Bucket(keys=keys, offsets=offsets, **columns)


def _folders(scratch: Path) -> list[Path]:
    folders = (scratch / "buckets/candidate").glob("bucket=*")
    return [folder for folder in folders if folder.name.partition("=")[2].isdigit()]


def _mae(members: ModelSet, bucket: Bucket) -> float:
    unknown: Array = np.full(len(bucket.values), np.nan, np.float32)
    forecasts = forecast_bucket(members, replace(bucket, values=unknown))["forecast"]
    sums = sums_of(bucket.values.astype(np.float64), forecasts.to_numpy())
    return float(np.nan_to_num(errors_of(sums)["mae"]))
