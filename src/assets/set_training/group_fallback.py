"""The fallback of keys with too few rows: a member of their group, instead of the seasonal naive baseline.

A group is the keys with the same values in some of the key columns, such as all products of a store. Its
member is LightGBM on the newest rows of some of its keys. The values of each key are divided by their mean,
so that it learns how keys of the group behave. The level of a key with few rows is the sum of its values,
divided by the sum of what the member forecasts for the same days.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from member_trainers import FAST, FAST_ROUNDS
from model_sets import boosting
from model_sets.bucket import Bucket, read_bucket
from model_sets.contents import lightgbm_content
from model_sets.features import FeaturePlan, build
from model_sets.index import IndexRow, spell
from model_sets.members import Tail
from model_sets.shards import ShardWriter, entry_name
from training_grid import Chunk, Series, chunks
from training_settings import Settings

Array = np.ndarray[Any, Any]
Key = tuple[str, ...]
MOST_KEYS = 20  # of a group, those with most rows
MOST_ROWS = 2_000  # of a key, the newest ones
LOADER = "lightgbm-text"
BASELINE = "the baseline is used"


@dataclass(frozen=True)
class Rows:
    """The newest rows of a key, by time."""

    steps: Array
    values: Array
    covariates: Array


def with_group_members(
    index: Sequence[IndexRow], settings: Settings, rows: Path, shard: Path
) -> list[IndexRow]:
    """Return the index with members of their groups for keys with too few rows, which are written to a shard.

    `rows` is the folder of the buckets. A key whose group has no key with enough rows keeps the baseline.
    """
    boosting.import_alone()
    few = [row for row in index if row.state == "too_few_rows" and row.trained_in == settings.training]
    groups = _groups(few, settings)
    siblings = _siblings(index, settings, set(groups))
    read = _read([*few, *(row for some in siblings.values() for row in some)], settings, rows)
    changed: dict[Key, IndexRow] = {}
    writer: ShardWriter | None = None
    for group, own in groups.items():
        spelled = spell(dict(zip(settings.group_by, group, strict=True)), settings.group_by)
        booster = _train(siblings.get(group, ()), read, settings)
        for row in own:
            if booster is None:
                reason = f"{row.reason}, because no key of the group {spelled} has enough rows"
                changed[row.key] = replace(row, reason=reason)
                continue
            writer = writer or ShardWriter(shard)
            entry = entry_name(row.key, LOADER)
            sha256 = writer.add(entry, _content(booster, row, read[row.key], settings))
            reason = str(row.reason).replace(BASELINE, f"the member of the group {spelled} is used")
            place = {"shard": shard.name, "entry": entry, "loader": LOADER, "sha256": sha256}
            changed[row.key] = replace(row, **place, fallback="group", reason=reason)
    if writer:
        writer.close()
    return [changed.get(row.key, row) for row in index]


def _groups(rows: Iterable[IndexRow], settings: Settings) -> dict[Key, list[IndexRow]]:
    places = [settings.info.keys.index(name) for name in settings.group_by]
    groups: dict[Key, list[IndexRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row.key[place] for place in places), []).append(row)
    return dict(sorted(groups.items()))


def _siblings(index: Sequence[IndexRow], settings: Settings, groups: set[Key]) -> dict[Key, list[IndexRow]]:
    """Return the keys with most rows of each of these groups, that have a member of their own."""
    own = (row for row in index if row.state == "candidate" and row.trained_in == settings.training)
    return {
        group: sorted(rows, key=lambda row: (-row.rows, row.key))[:MOST_KEYS]
        for group, rows in _groups(own, settings).items()
        if group in groups
    }


def _read(wanted: Iterable[IndexRow], settings: Settings, rows: Path) -> dict[Key, Rows]:
    """Read the newest rows of some keys, one bucket after another."""
    by_bucket: dict[int, set[Key]] = {}
    for row in wanted:
        bucket = int(Path(str(row.shard)).stem) - settings.base_shard
        by_bucket.setdefault(bucket, set()).add(row.key)
    read: dict[Key, Rows] = {}
    for number, keys in sorted(by_bucket.items()):
        bucket = read_bucket(rows, number, settings.info)
        for key, of_key in bucket:
            if key in keys:
                newest = slice(max(of_key.start, of_key.stop - MOST_ROWS), of_key.stop)
                columns = (bucket.steps, bucket.values, bucket.covariates)
                read[key] = Rows(*(column[newest].copy() for column in columns))
    return read


def _train(siblings: Sequence[IndexRow], read: Mapping[Key, Rows], settings: Settings) -> Any | None:
    """Return LightGBM's model of a group, or None if the group has no rows to learn from.

    As in any training, the newest horizon of each key is left out.
    """
    import lightgbm

    features: list[Array] = []
    values: list[Array] = []
    for chunk in _chunks({row.key: read[row.key] for row in siblings}, settings):
        for number in range(len(chunk.series)):
            known = np.flatnonzero(chunk.known[number, : chunk.cut])
            features.append(chunk.features[number, known])
            values.append(chunk.grid.values[number, known])
    if not sum(map(len, values)):
        return None
    data = lightgbm.Dataset(np.concatenate(features), np.concatenate(values), params=FAST)
    booster = lightgbm.Booster(FAST, data)
    for _ in range(FAST_ROUNDS):
        if booster.update():
            break
    return booster


def _content(booster: Any, row: IndexRow, rows: Rows, settings: Settings) -> bytes:
    """Return the member of a key: the group's model, with the level and the newest values of the key."""
    [chunk] = _chunks({row.key: rows}, settings)
    known = chunk.known[0]
    without = replace(chunk.grid, values=np.full_like(chunk.grid.values, np.nan))
    usual = booster.predict(build(chunk.plan, without, 0, len(known))[0][known], num_threads=1).sum()
    scale = float(np.nansum(np.abs(rows.values))) / usual if usual > 0 else _mean(rows)
    scale = scale if np.isfinite(scale) and scale > 0 else 1.0
    values = chunk.grid.values[0] * (_mean(rows) / scale)
    tail = Tail.of(chunk.plan, values, chunk.series[0].end)
    return lightgbm_content(str(booster.model_to_string()), tail, scale)


def _chunks(keys: Mapping[Key, Rows], settings: Settings) -> Iterator[Chunk]:
    """Yield the rows of some keys on their grids, with the values of each key divided by their mean."""
    plan = FeaturePlan.of(settings.info)
    bucket, series = _bucket(keys, settings)
    for chunk in chunks(bucket, series, plan):
        means = np.array([_mean(keys[one.key]) for one in chunk.series], np.float32)
        yield replace(chunk, grid=replace(chunk.grid, values=chunk.grid.values / means[:, None]))


def _bucket(keys: Mapping[Key, Rows], settings: Settings) -> tuple[Bucket, list[Series]]:
    rows = list(keys.values())
    series = []
    for place, (key, of_key) in enumerate(keys.items()):
        known = of_key.steps[~np.isnan(of_key.values)]
        series.append(Series(place, key, len(known), int(known[0]), int(known[-1]) + 1))
    counts = [len(one.steps) for one in rows]
    width = len(settings.info.covariates)
    bucket = Bucket(
        keys=list(keys),
        offsets=np.cumsum([0, *counts]),
        steps=np.concatenate([one.steps for one in rows]) if rows else np.zeros(0, np.int64),
        values=np.concatenate([one.values for one in rows]) if rows else np.zeros(0, np.float32),
        covariates=np.concatenate([one.covariates for one in rows]) if rows else np.zeros((0, width)),
        files=np.zeros(sum(counts), np.int32),
    )
    return bucket, series


def _mean(rows: Rows) -> float:
    """Return the mean of a key's absolute values, 1 if all are 0."""
    level = float(np.nanmean(np.abs(rows.values), dtype=np.float64))
    return level if np.isfinite(level) and level > 0 else 1.0
