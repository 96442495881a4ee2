"""The holdout: the newest `horizon` steps of each key that have an actual value, forecast by both sets.

The members do not get these actual values. No feature of a row uses a value of the horizon before it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from forecast_bucket import forecast_bucket
from model_sets.bucket import Bucket, read_bucket
from model_sets.format import ModelSet, open_set
from model_sets.info import SetInfo
from model_sets.sources import Source
from model_sets.split import plan_split, split
from model_sets.times import NO_STEP

Array = np.ndarray[Any, Any]

BUCKETS = 64
FEW_KEYS = 2_000  # for so many keys the start of more processes takes longer than their work


def forecast_holdout(
    sets: Mapping[str, Path], sources: Sequence[Source], scratch: Path, horizon: int | None
) -> pa.Table:
    """Split the files in a folder `buckets` of `scratch`, and forecast the holdout with each set.

    Return a table with a row for each row of the holdout: the key columns and the time column, `actual`,
    `candidate` and `candidate_error`. If there is a champion, it has `champion` and `champion_error`, too.
    With None as `horizon`, the holdout is all rows with an actual value.
    """
    infos = {side: open_set(folder).info for side, folder in sets.items()}
    info = infos["candidate"]
    few = open_set(sets["candidate"]).index.num_rows <= FEW_KEYS
    count = 4 if few else BUCKETS
    for side, of_side in infos.items():
        if side == "candidate" or replace(of_side, horizon=info.horizon) != info:  # it has other columns
            files = open_set(sets[side]).prepared_files(sources, scratch / "prepared" / side)
            plan = plan_split(files, of_side, target=True, buckets=count)
            split(plan, range(len(plan.sources)), scratch / "buckets" / side)
    numbers = list(range(count))
    if few or (os.cpu_count() or 1) == 1:
        return pa.concat_tables(_forecast(dict(sets), scratch, numbers, horizon))
    # New processes, because a forked one hangs if its parent has used LightGBM.
    parts = np.array_split(np.array(numbers), 2 * (os.cpu_count() or 1))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        done = [pool.submit(_forecast_part, dict(sets), scratch, part.tolist(), horizon) for part in parts]
        return pa.concat_tables(future.result() for future in done)


def newest(bucket: Bucket, horizon: int | None) -> Bucket:
    """Return the rows of the newest `horizon` steps of each key. Only rows with an actual value count."""
    place = np.repeat(np.arange(len(bucket.keys)), np.diff(bucket.offsets))
    chosen = (bucket.steps != NO_STEP) & np.isfinite(bucket.values)
    if horizon is not None:
        last = np.full(len(bucket.keys), NO_STEP)
        np.maximum.at(last, place[chosen], bucket.steps[chosen])
        chosen &= bucket.steps > last[place] - horizon
    counts = np.bincount(place[chosen], minlength=len(bucket.keys))
    return replace(
        bucket,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        steps=bucket.steps[chosen],
        values=bucket.values[chosen],
        covariates=bucket.covariates[chosen],
        files=bucket.files[chosen],
    )


def read_holdout(scratch: Path, side: str, number: int, info: SetInfo, horizon: int | None) -> Bucket:
    """Return the holdout's rows of one bucket, as a set reads them."""
    folder = scratch / "buckets" / side
    return newest(
        read_bucket(folder if folder.is_dir() else folder.parent / "candidate", number, info), horizon
    )


def _forecast_part(
    sets: dict[str, Path], scratch: Path, numbers: Sequence[int], horizon: int | None
) -> pa.Table:
    pa.set_cpu_count(1)
    return pa.concat_tables(_forecast(sets, scratch, numbers, horizon))


def _forecast(
    sets: dict[str, Path], scratch: Path, numbers: Sequence[int], horizon: int | None
) -> Iterator[pa.Table]:
    opened = {side: open_set(folder) for side, folder in sets.items()}
    for number in numbers:
        yield _forecast_bucket(opened, scratch, number, horizon)


def _forecast_bucket(
    opened: dict[str, ModelSet], scratch: Path, number: int, horizon: int | None
) -> pa.Table:
    columns: dict[str, Any] = {}
    for side, members in opened.items():
        bucket = read_holdout(scratch, side, number, members.info, horizon)
        unknown = np.full(len(bucket.values), np.nan, np.float32)
        forecasts = forecast_bucket(members, replace(bucket, values=unknown))
        if not columns:
            info = members.info
            columns = {name: forecasts[name] for name in (*info.keys, info.time)}
            columns["actual"] = pa.array(bucket.values.astype(np.float64))
        columns |= {side: forecasts["forecast"], f"{side}_error": forecasts["error"]}
    return pa.table(columns)
