"""Lists of keys: those that are expected, and those that are to be trained."""

import json
from collections.abc import Sequence
from pathlib import Path

from model_sets.errors import TableError
from model_sets.info import SetInfo
from model_sets.queries import expressions, key_columns, scan
from model_sets.sources import Source, read_header
from model_sets.split import connect

ENDINGS = (".parquet", ".csv", ".csv.gz")


def read_expected(path: Path, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the distinct keys in CSV or Parquet files: one file, or all files of a folder, in their order.

    Raise TableError if there is no such file, if a key column is missing, or if a key has no value.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    sources = [Source(file.name, file) for file in files if file.name.lower().endswith(ENDINGS)]
    if not sources:
        raise TableError(f"the expected keys are in no file that ends in {', '.join(ENDINGS)}")
    found: dict[tuple[str, ...], None] = {}
    for source in sources:
        found |= dict.fromkeys(_keys_of(source, keys))
    return list(found)


def _keys_of(source: Source, keys: Sequence[str]) -> list[tuple[str, ...]]:
    header = read_header(source, keys)
    names = [name for name, _ in header.columns]
    for key in keys:
        if key not in names:
            raise TableError(f"{source.name}, which lists the expected keys, has no column {key!r}")
    info = SetInfo(tuple(keys), target="no target", time="no time", horizon=1)
    chosen = expressions(header, info)
    selected = ", ".join(chosen[column] for column in key_columns(info))
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        rows = connection.execute(f"SELECT {selected} FROM {scan([source], header)}").fetchall()
    for number, row in enumerate(rows, 1):
        if None in row:
            raise TableError(f"row {number} of {source.name}, which lists the expected keys, lacks a value")
    return [tuple(row) for row in rows]


def read_key_lines(path: Path, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the distinct keys in JSON lines such as {"store": "12", "product": "7"}."""
    found: dict[tuple[str, ...], None] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    found[tuple(str(json.loads(line)[key]) for key in keys)] = None
                except (ValueError, KeyError, TypeError) as error:
                    raise TableError(f"line {number} of {path.name} is no key: {error!r}") from error
    return list(found)
