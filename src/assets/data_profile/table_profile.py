"""The profile of table files: types, empty values, ranges and distinct values of each column."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from table_files import BrokenTableError, read_chunks

MOST_ROWS = 2_000_000  # more take longer than scoring them
MOST_COLUMNS = 1_000
MOST_DISTINCT = 10_000
SHOWN_VALUES = 10
SHOWN_FILES = 20
MOST_TEXT = 100  # characters of a value


@dataclass
class ColumnProfile:
    """What is known of a column so far. `values` counts its distinct values until there are too many."""

    name: str
    types: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    nulls: int = 0
    least: Any = None
    greatest: Any = None
    numbers: int = 0
    leading_zeros: int = 0
    values: Counter[str] = field(default_factory=Counter)
    more: bool = False

    def add(self, column: pa.ChunkedArray) -> None:
        self.rows += len(column)
        self.nulls += column.null_count
        known = column.drop_null()
        if pa.types.is_dictionary(known.type):
            known = known.cast(known.type.value_type)
        if pa.types.is_nested(known.type) or not len(known):
            return
        self._add_values(known)
        if pa.types.is_string(known.type) or pa.types.is_large_string(known.type):
            self._add_texts(known)
        elif not pa.types.is_binary(known.type) and not pa.types.is_boolean(known.type):
            ends = pc.min_max(known).as_py()
            self._widen(ends["min"], ends["max"])

    def _add_texts(self, known: pa.ChunkedArray) -> None:
        """Count the texts that are numbers, and those with a leading zero, which a number would lose."""
        texts = known.to_pandas()
        numbers = pd.to_numeric(texts, errors="coerce").dropna()
        self.numbers += len(numbers)
        self.leading_zeros += int(texts.str.match(r"[+-]?0[0-9]").sum())
        finite = numbers[numbers.abs() != math.inf]
        if len(finite):
            self._widen(finite.min().item(), finite.max().item())

    def _widen(self, least: Any, greatest: Any) -> None:
        if isinstance(least, float) and not math.isfinite(least + greatest):
            return
        self.least = least if self.least is None else min(self.least, least)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)

    def _add_values(self, known: pa.ChunkedArray) -> None:
        if self.more:
            return
        for item in pc.value_counts(known).to_pylist():
            self.values[str(item["values"])[:MOST_TEXT]] += item["counts"]
        self.more = len(self.values) > MOST_DISTINCT

    def as_dict(self, files: int) -> dict[str, Any]:
        texts = {"numbers": self.numbers, "leading_zeros": self.leading_zeros}
        of_text = self.types.keys() & {"string", "large_string"}
        return {
            "name": self.name,
            "types": dict(self.types),
            "rows": self.rows,
            "nulls": self.nulls,
            "lacking_files": files - self.types.total(),
            "min": _plain(self.least),
            "max": _plain(self.greatest),
            "distinct": f"more than {MOST_DISTINCT}" if self.more else len(self.values),
            "frequent": [] if self.more else [list(item) for item in self.values.most_common(SHOWN_VALUES)],
            **(texts if of_text else {}),
        }


def profile_tables(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the profile of table files, each column by name.

    At most MOST_ROWS rows are read, of whole chunks. The range of a text column is that of its numbers.
    """
    columns: dict[str, ColumnProfile] = {}
    broken: list[str] = []
    rows = files = 0
    for name in names:
        if rows >= MOST_ROWS:
            break
        try:
            rows += _add_file(folder / name, columns, MOST_ROWS - rows)
            files += 1
        except BrokenTableError as error:
            broken.append(f"{name}: {error}")
    return {
        "rows": rows,
        "files_read": files,
        "all_rows": rows < MOST_ROWS,
        "broken": len(broken),
        "broken_files": broken[:SHOWN_FILES],
        "columns": [column.as_dict(files) for column in columns.values()],
        "more_columns": len(columns) >= MOST_COLUMNS,
    }


def _add_file(file: Path, columns: dict[str, ColumnProfile], most: int) -> int:
    """Add rows of a file to the profiles of its columns, and return how many."""
    rows = 0
    for number, chunk in enumerate(read_chunks(file)):
        for name in chunk.table.column_names:
            if name not in columns and len(columns) >= MOST_COLUMNS:
                continue
            profile = columns.setdefault(name, ColumnProfile(name))
            values = chunk.table.column(name)
            if number == 0:
                profile.types[str(values.type)] += 1
            profile.add(values)
        rows += len(chunk.rows) + len(chunk.broken)
        if rows >= most:
            break
    return rows


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it."""
    return value if isinstance(value, int | float | None) else str(value)[:MOST_TEXT]
