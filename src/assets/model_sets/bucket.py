"""Buckets as arrays: the rows of some keys, sorted by key and step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_sets.info import SetInfo
from model_sets.queries import covariate_columns, key_columns, text
from model_sets.split import connect

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bucket:
    """The rows of a bucket. Those of key n are `[offsets[n], offsets[n + 1])`, in the order of their steps.

    `values` is NaN where the target is missing. `files` are the numbers of the files.
    """

    keys: list[tuple[str, ...]]
    offsets: Array
    steps: Array
    values: Array
    covariates: Array
    files: Array

    def rows(self, place: int) -> slice:
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], slice]]:
        for place, key in enumerate(self.keys):
            yield key, self.rows(place)


def bucket_files(folder: Path, bucket: int) -> list[Path]:
    """Return the files of a bucket, of which each part of the split wrote some."""
    return sorted((folder / f"bucket={bucket}").glob("*.parquet"))


def read_bucket(folder: Path, bucket: int, info: SetInfo) -> Bucket:
    """Read a bucket and sort it by key and step. Keys are in the order of their text."""
    files = bucket_files(folder, bucket)
    keys, covariates = key_columns(info), covariate_columns(info)
    if not files:
        empty = np.zeros(0)
        return Bucket([], np.zeros(1, np.int64), empty, empty, np.zeros((0, len(covariates))), empty)
    listed = "[" + ", ".join(text(str(file)) for file in files) + "]"
    scanned = f"read_parquet({listed}, hive_partitioning = false)"
    numbered = f"SELECT {', '.join(keys)}, row_number() OVER (ORDER BY {', '.join(keys)}) - 1 AS place FROM "
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute("SET threads = 1")
        connection.execute(
            f"CREATE TEMP TABLE places AS {numbered} (SELECT DISTINCT {', '.join(keys)} FROM {scanned})"
        )
        names = connection.execute(f"SELECT {', '.join(keys)} FROM places ORDER BY place").fetchall()
        columns = ", ".join(["place", "step", "value", *covariates, "file"])
        joined = f"{scanned} JOIN places USING ({', '.join(keys)})"
        arrays = connection.execute(f"SELECT {columns} FROM {joined} ORDER BY place, step, file").fetchnumpy()
    offsets = np.searchsorted(arrays["place"], np.arange(len(names) + 1))
    stacked = [_numbers(arrays[column]) for column in covariates]
    return Bucket(
        keys=[tuple(key) for key in names],
        offsets=offsets,
        steps=arrays["step"].astype(np.int64),
        values=_numbers(arrays["value"]),
        covariates=np.stack(stacked, axis=1) if stacked else np.zeros((len(arrays["step"]), 0), np.float32),
        files=np.asarray(arrays["file"]),
    )


def _numbers(column: Any) -> Array:
    """Return a column as float32, NaN where DuckDB's answer is masked."""
    return np.ma.filled(np.ma.asarray(column, np.float32), np.nan)
