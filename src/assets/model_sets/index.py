"""The index of a set: one row for each expected key, with where its member is and how good it is.

It is written twice: as Parquet, which jobs read, and as SQLite, in which the service looks up single keys.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model_sets.errors import CorruptIndexError, SetError

METRICS = ("mae", "rmse", "mape", "wape")
STATES = ("candidate", "champion", "kept", "failed", "too_few_rows", "missing")
PARQUET, SQLITE = "index.parquet", "index.sqlite"
TEXTS = ("shard", "entry", "loader", "sha256", "state", "fallback", "trained_in", "trained_until")
COLUMNS = (*TEXTS, "rows", *METRICS, *(f"champion_{metric}" for metric in METRICS), "reason")


@dataclass(frozen=True)
class IndexRow:
    """A key with its member, or with the reason why it has none.

    `fallback` is what stands for a key with too few rows: `baseline` (seasonal naive) or `group`.
    `trained_until` is the time of the newest row that the member knows. A metric is None if it is undefined.
    """

    key: tuple[str, ...]
    state: str
    shard: str | None = None
    entry: str | None = None
    loader: str | None = None
    sha256: str | None = None
    fallback: str | None = None
    trained_in: str | None = None
    trained_until: str | None = None
    rows: int = 0
    mae: float | None = None
    rmse: float | None = None
    mape: float | None = None
    wape: float | None = None
    champion_mae: float | None = None
    champion_rmse: float | None = None
    champion_mape: float | None = None
    champion_wape: float | None = None
    reason: str | None = None


def schema(keys: Sequence[str]) -> pa.Schema:
    """Return the columns of an index with these key columns. Keys are text, as spelled in the source."""
    clash = [key for key in keys if key.casefold() in COLUMNS]  # SQLite ignores upper and lower case
    if clash:
        raise SetError(f"key column {clash[0]!r} has the name of a column of the index; rename it")
    types = {"rows": pa.int64()} | dict.fromkeys((*TEXTS, "reason"), pa.string())
    others = [(name, types.get(name, pa.float64())) for name in COLUMNS]
    return pa.schema([*((key, pa.string()) for key in keys), *others])


def rows_to_table(rows: Iterable[IndexRow], keys: Sequence[str]) -> pa.Table:
    """Return the rows as a table, sorted by keys."""
    ordered = sorted(rows, key=lambda row: row.key)
    columns: list[list[Any]] = [[row.key[place] for row in ordered] for place in range(len(keys))]
    columns += [[getattr(row, name) for row in ordered] for name in COLUMNS]
    return pa.table(columns, schema=schema(keys))


def table_to_rows(table: pa.Table, keys: Sequence[str]) -> list[IndexRow]:
    columns = [table[name].to_pylist() for name in (*keys, *COLUMNS)]
    width = len(keys)
    return [
        IndexRow(key=cells[:width], **dict(zip(COLUMNS, cells[width:], strict=True)))
        for cells in zip(*columns, strict=True)
    ]


def write_index(folder: Path, table: pa.Table, keys: Sequence[str]) -> str:
    """Write both files of an index, and return the SHA-256 of the Parquet file.

    Raise SetError if a key is missing or occurs twice, or if a row has an unknown state.
    """
    table = table.select(schema(keys).names).cast(schema(keys)).sort_by([(key, "ascending") for key in keys])
    _check(table, keys)
    pq.write_table(table, folder / PARQUET, compression="zstd")
    _write_sqlite(folder / SQLITE, table, keys)
    return hashlib.sha256((folder / PARQUET).read_bytes()).hexdigest()


def read_index(folder: Path, sha256: str) -> pa.Table:
    """Return the index of a set. Raise CorruptIndexError if it does not match its hash."""
    path = folder / PARQUET
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptIndexError(f"{PARQUET} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CorruptIndexError(f"{PARQUET} does not match its hash in MLmodel: {found} instead of {sha256}")
    return pq.read_table(pa.BufferReader(content))


def _check(table: pa.Table, keys: Sequence[str]) -> None:
    for key in keys:
        if table[key].null_count:
            raise SetError(f"a row of the index has no value in its key column {key!r}")
    counted = table.group_by(list(keys)).aggregate([([], "count_all")])
    doubled = counted.filter(pa.compute.greater(counted["count_all"], 1)).to_pylist()
    if doubled:
        raise SetError(f"the index has {doubled[0]['count_all']} rows for {spell(doubled[0], keys)}")
    unknown = sorted({str(state) for state in table["state"].unique().to_pylist()} - set(STATES))
    if unknown:
        raise SetError(f"state {unknown[0]!r} is none of {', '.join(STATES)}")


def spell(cells: dict[str, Any], keys: Sequence[str]) -> str:
    """Return a key as people read it: store=12, product=7."""
    return ", ".join(f"{key}={cells[key]}" for key in keys)


def _write_sqlite(path: Path, table: pa.Table, keys: Sequence[str]) -> None:
    path.unlink(missing_ok=True)
    types = ["REAL" if pa.types.is_floating(field.type) else "TEXT" for field in table.schema]
    types[table.schema.get_field_index("rows")] = "INTEGER"
    columns = ", ".join(
        f"{_quote(name)} {kind}" for name, kind in zip(table.column_names, types, strict=True)
    )
    primary = ", ".join(_quote(key) for key in keys)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"CREATE TABLE members ({columns}, PRIMARY KEY ({primary})) WITHOUT ROWID")
        marks = ", ".join("?" * table.num_columns)
        cells = zip(*(column.to_pylist() for column in table.columns), strict=True)
        connection.executemany(f"INSERT INTO members VALUES ({marks})", cells)
        connection.execute("CREATE INDEX members_by_state ON members (state)")
    connection.close()


def _quote(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


assert {field.name for field in fields(IndexRow)} == {"key", *COLUMNS}
