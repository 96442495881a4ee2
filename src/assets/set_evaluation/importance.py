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
from permutation import growth_of_error

MOST_KEYS = 200


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

    def error(name: str | None, rng: np.random.Generator) -> float:
        covariates = bucket.covariates.copy()
        if name is not None:
            place = info.covariates.index(name)
            for _, rows in bucket:
                covariates[rows, place] = rng.permutation(covariates[rows, place])
        return _mae(members, replace(bucket, covariates=covariates))

    return {"metric": "mae", "keys": len(bucket.keys), **growth_of_error(info.covariates, error)}


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
