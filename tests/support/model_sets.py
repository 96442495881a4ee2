"""A small model set with members of every kind, made without a training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from model_sets.contents import lightgbm_content, npz_content
from model_sets.features import FeaturePlan
from model_sets.format import write_set
from model_sets.index import IndexRow, rows_to_table
from model_sets.info import SetInfo
from model_sets.members import Tail
from model_sets.shards import ShardWriter, entry_name

INFO = SetInfo(keys=("store", "product"), target="sold", time="day", horizon=7, covariates=("price",))
END = 20_000  # the step after the newest value: 2024-10-04


class Doubler:
    """A member of a user's own training: twice the price, or another multiple."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def predict(self, table):  # type: ignore[no-untyped-def]
        return table["price"] * self.factor


def seasonal_content(info: SetInfo = INFO, values: Sequence[float] = range(1, 29), end: int = END) -> bytes:
    tail = Tail.of(FeaturePlan.of(info), np.array(values, np.float32), end)
    return npz_content("seasonal_naive", tail)


def boosted_content(info: SetInfo = INFO, days: int = 400, end: int = END) -> bytes:
    """Return a LightGBM member that learned from sales by weekday."""
    import lightgbm
    from model_sets.features import Grid, build

    plan = FeaturePlan.of(info)
    steps = np.arange(end - days, end)
    values = (((steps + 3) % 7) * 10 + 5).astype(np.float32)
    shape = (1, days, len(info.covariates))
    features = build(plan, Grid(values[None], steps[:1], np.ones(shape, np.float32)), 0, days)[0]
    settings = {"objective": "l2", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(settings, lightgbm.Dataset(features, values), num_boost_round=60)
    return lightgbm_content(booster.model_to_string(), Tail.of(plan, values, end))


def write_small_set(
    folder: Path,
    members: dict[tuple[str, ...], tuple[str, bytes]],
    others: Sequence[IndexRow] = (),
    info: SetInfo = INFO,
) -> str:
    """Write a set whose members are `(loader, content)` by key, in one shard. Return the index's hash."""
    writer, rows = ShardWriter(folder.parent / f"{folder.name}-shards" / "00.zip"), list(others)
    for key, (loader, content) in members.items():
        entry = entry_name(key, loader)
        place = {"shard": "00.zip", "entry": entry, "loader": loader, "sha256": writer.add(entry, content)}
        rows.append(IndexRow(key, "candidate", **place, trained_in="train-1", rows=28, mae=1.0))
    return write_set(folder, info, rows_to_table(rows, info.keys), {"00.zip": writer.close()})
