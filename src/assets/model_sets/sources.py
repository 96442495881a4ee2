"""The files of a manifest as tables: which columns they have, and how a query reads them.

Files may differ in the order of their columns and in further columns. Columns that are needed must be in each
file, with types of the same kind. Otherwise the error names the file and the column.
"""

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model_sets.errors import TableError

ENDINGS = {".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv"}
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Source:
    """A file of the manifest. `name` is relative to the folder of the data."""

    name: str
    path: Path
    partition: str = ""
    error: str = ""

    @property
    def format(self) -> str:
        """Return `parquet` or `csv`. Raise TableError for other files."""
        name = self.path.name.lower()  # a prepared file is Parquet, whatever its name is
        for ending, kind in ENDINGS.items():
            if name.endswith(ending):
                return kind
        raise TableError(f"{self.name} is no table: files end in {', '.join(ENDINGS)}")


@dataclass(frozen=True)
class Column:
    """A column of a file: its kind (`text`, `integer`, `number`, ...) and its type as the file has it."""

    kind: str
    type: str
    zone: str | None = None


@dataclass(frozen=True)
class Header:
    """The columns of a file by name, in its order. `delimiter` is empty for Parquet."""

    columns: tuple[tuple[str, Column], ...]
    delimiter: str = ""

    def get(self, name: str) -> Column | None:
        return dict(self.columns).get(name)


def read_manifest(data: Path, manifest: Path) -> list[Source]:
    """Return the files of a manifest of JSON lines, in its order, with the error of those that have one."""
    with manifest.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines if line.strip()]
    return [
        Source(entry["name"], data / entry["name"], entry.get("partition") or "", entry.get("error") or "")
        for entry in entries
    ]


def read_header(source: Source, needed: Sequence[str]) -> Header:
    """Return the columns of a file.

    Raise TableError if it cannot be read, has a needed column twice, or has another column whose name differs
    from a needed one in upper and lower case only: DuckDB takes the two for one column.
    """
    try:
        header = _read_parquet(source) if source.format == "parquet" else _read_csv(source, needed)
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{source.name} cannot be read: {' '.join(str(error).split())}") from error
    names = [name for name, _ in header.columns]
    doubled = [name for name in needed if names.count(name) > 1]
    if doubled:
        raise TableError(f"{source.name} has the column {doubled[0]!r} twice")
    for name in needed:
        alike = [other for other in names if other.casefold() == name.casefold()]
        if name in alike and len(alike) > 1:
            spelled = " and ".join(map(repr, alike))
            raise TableError(
                f"{source.name} has the columns {spelled}, which differ only in case: rename one"
            )
    return header


def check_headers(
    files: Sequence[tuple[Source, Header]], keys: Sequence[str], time: str, numbers: Sequence[str]
) -> None:
    """Raise TableError, which names file and column, if a column is missing or has another kind."""
    for name in (*keys, time, *numbers):
        wanted = "key" if name in keys else "time" if name == time else "number"
        first: tuple[Source, Column] | None = None
        for source, header in files:
            column = header.get(name)
            if column is None:
                others = ", ".join(known for known, _ in header.columns)
                raise TableError(f"{source.name} has no column {name!r}; it has {others}")
            _check_kind(source, name, column, wanted)
            if wanted != "key" or column.kind == "null":
                continue
            if first and first[1].kind != column.kind:
                raise TableError(
                    f"key column {name!r} has type {first[1].type} in {first[0].name}, and {column.type} in "
                    f"{source.name}; the same key could be spelled in two ways"
                )
            first = first or (source, column)


FITTING = {
    "key": ("text", "integer", "boolean", "date"),
    "time": ("text", "date", "time", "instant"),
    "number": ("integer", "number", "boolean"),
}
MEANINGS = {
    "key": "keys are text, whole numbers, booleans or dates",
    "time": "a date, a time or a text in ISO 8601 is needed",
    "number": "a number is needed",
}


def _check_kind(source: Source, name: str, column: Column, wanted: str) -> None:
    # Cells of CSV files are text, also those that prepare.py left as they are.
    text_in_csv = column.kind == "text" and not source.name.lower().endswith(".parquet")
    if column.kind not in FITTING[wanted] and not text_in_csv and column.kind != "null":
        raise TableError(f"column {name!r} of {source.name} has type {column.type}; {MEANINGS[wanted]}")


def _read_parquet(source: Source) -> Header:
    schema = pq.read_schema(source.path)
    return Header(tuple((field.name, _column(field.type)) for field in schema))


def _read_csv(source: Source, needed: Sequence[str]) -> Header:
    """Return the columns of the first line. The delimiter gives most of the needed columns, or most."""
    opened = gzip.open if source.name.lower().endswith(".gz") else open
    with opened(source.path, "rt", encoding="utf-8-sig", newline="") as file:
        line = next(iter(file), "")
        texts: dict[str, list[str]] = {
            mark: next(csv.reader([line], delimiter=mark), []) for mark in DELIMITERS
        }
    if not line.strip():
        raise TableError(f"{source.name} is empty: it has no line with the names of the columns")
    mark = max(DELIMITERS, key=lambda mark: (sum(name in texts[mark] for name in needed), len(texts[mark])))
    names = texts[mark]
    folded = [name.casefold() for name in names]  # as DuckDB does
    unique = [
        name if name and (name in needed or folded.count(name.casefold()) == 1) else f"unnamed_{place}"
        for place, name in enumerate(names)
    ]
    return Header(tuple((name, Column("text", "text")) for name in unique), mark)


def _column(kind: Any) -> Column:
    types, name = pa.types, str(kind)
    if types.is_dictionary(kind):
        return _column(kind.value_type)
    if types.is_timestamp(kind):
        return Column("instant", name, kind.tz) if kind.tz else Column("time", name)
    for test, result in (
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "number"),
        (types.is_decimal, "number"),
        (types.is_date, "date"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_null, "null"),
    ):
        if test(kind):
            return Column(result, name)
    return Column("other", name)
