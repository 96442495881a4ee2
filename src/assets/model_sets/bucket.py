"""Buckets as arrays: the rows of some keys, sorted by key and step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model_sets.info import SetInfo
from model_sets.queries import covariate_columns, key_columns

Array = np.ndarray[Any, Any]
MOST_CODES = 10_000_000


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
    keys, covariates = key_columns(info), covariate_columns(info)
    rows = _read(bucket_files(folder, bucket), [*keys, "step", "value", *covariates, "file"], keys)
    if rows is None:
        empty = np.zeros(0)
        return Bucket([], np.zeros(1, np.int64), empty, empty, np.zeros((0, len(covariates))), empty)
    names, places = _places([rows[key].chunk(0) for key in keys])
    steps, files = rows["step"].to_numpy().astype(np.int64), rows["file"].to_numpy()
    order = np.lexsort((_short(files), _short(steps), _short(places)))
    numbers = [_numbers(rows[column])[order] for column in covariates]
    return Bucket(
        keys=names,
        offsets=np.searchsorted(places[order], np.arange(len(names) + 1)),
        steps=steps[order],
        values=_numbers(rows["value"])[order],
        covariates=np.stack(numbers, axis=1) if numbers else np.zeros((len(order), 0), np.float32),
        files=files[order],
    )


def _read(files: Sequence[Path], columns: Sequence[str], keys: Sequence[str]) -> pa.Table | None:
    """Return the rows of all files, with the keys as dictionaries, or None if there are no rows."""
    tables = [
        pq.read_table(file, columns=columns, read_dictionary=keys, partitioning=None, use_threads=False)
        for file in files
    ]
    rows = pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else None
    return rows if rows is not None and rows.num_rows else None


def _places(columns: Sequence[Any]) -> tuple[list[tuple[str, ...]], Array]:
    """Return the keys in their order, and the place of each row's key, from columns of dictionaries."""
    words = [column.dictionary.to_pylist() for column in columns]
    codes = np.zeros(len(columns[0]), np.int64)
    for column, known in zip(columns, words, strict=True):
        codes = codes * len(known) + column.indices.to_numpy()
    unique, number = _numbered(codes, math.prod(len(known) for known in words))
    parts: list[Array] = []
    for known in reversed(words):
        unique, part = np.divmod(unique, len(known))
        parts.append(part)
    found = [
        tuple(known[part] for known, part in zip(words, key, strict=True))
        for key in zip(*(part.tolist() for part in reversed(parts)), strict=True)
    ]
    order = sorted(range(len(found)), key=found.__getitem__)
    places = np.empty(len(found), np.int64)
    places[order] = np.arange(len(found))
    return [found[place] for place in order], places[number]


def _numbered(codes: Array, limit: int) -> tuple[Array, Array]:
    """Return the distinct codes, sorted, and for each code its place among them. Codes are below `limit`."""
    if limit > MOST_CODES:
        return np.unique(codes, return_inverse=True)
    found = np.zeros(limit, bool)
    found[codes] = True
    return np.flatnonzero(found), (np.cumsum(found) - 1)[codes]


def _short(numbers: Array) -> Array:
    """Return whole numbers as 16-bit numbers of the same order if they fit: these are sorted much faster."""
    least = numbers.min()
    return (numbers - least).astype(np.uint16) if numbers.max() - least < 2**16 else numbers


def _numbers(column: Any) -> Array:
    """Return a column as float32, NaN where it is null."""
    return np.asarray(column.cast(pa.float32()).to_numpy())
