"""Parquet files from rows of plain values. The library is imported at its first use, away from events."""

import io
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

ColumnType = Literal["text", "int", "float", "bool", "time"]


def to_parquet(columns: Mapping[str, ColumnType], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a Parquet file with these columns. A value that a row lacks is null. Times are in UTC."""
    from arro3.core import Table
    from arro3.io import write_parquet

    arrays = {name: _array(kind, [row.get(name) for row in rows]) for name, kind in columns.items()}
    file = io.BytesIO()
    write_parquet(Table.from_pydict(arrays), file)
    return file.getvalue()


def count_rows(content: bytes) -> int:
    """Return how many rows a Parquet file has, after all of them were read."""
    from arro3.io import read_parquet

    return int(read_parquet(io.BytesIO(content)).read_all().num_rows)


def matching_rows(content: bytes, column: str, values: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file that have one of these values in a column."""
    from arro3.io import read_parquet

    table = read_parquet(io.BytesIO(content)).read_all()
    wanted = [number for number, value in enumerate(table.column(column).to_pylist()) if value in values]
    names = table.column_names
    return [{name: table.column(name)[number].as_py() for name in names} for number in wanted]


def _array(kind: ColumnType, values: Sequence[Any]) -> Any:
    from arro3.core import Array, DataType

    if kind == "time":
        times = Array([_microseconds(value) for value in values], type=DataType.int64())
        return times.cast(DataType.timestamp("us", tz="UTC"))
    types = {
        "text": DataType.string(),
        "int": DataType.int64(),
        "float": DataType.float64(),
        "bool": DataType.bool(),
    }
    return Array(list(values), type=types[kind])


def _microseconds(value: datetime | None) -> int | None:
    return None if value is None else round(value.timestamp() * 1_000_000)
