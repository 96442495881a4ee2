"""The holdout of a table model: table files that have the columns of the model and the target.

Rows without a target are left out, and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from listed_files import TABLES, is_table
from table_files import BrokenTableError, read_chunks

Array = np.ndarray[Any, Any]


class UnfitDataError(ValueError):
    """A folder whose tables cannot be used as a holdout."""


@dataclass(frozen=True)
class TableHoldout:
    """The rows that have a target. Each part has the columns and types of one file.

    `truth` has floats or labels, and `slices` the texts of the column to slice by, row by row.
    """

    parts: Sequence[pa.Table]
    truth: Array
    slices: Sequence[str] | None
    without_target: int

    def __len__(self) -> int:
        return len(self.truth)


def read_holdout(folder: Path, target: str, *, labels: bool, slice_by: str | None) -> TableHoldout:
    """Read all tables in a folder. The target is a label, or a number.

    Raise UnfitDataError, which names the file, if one cannot be used.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and is_table(path.name))
    if not files:
        raise UnfitDataError(f"it has no table: the name of a table ends with {', '.join(TABLES)}")
    parts, truth, slices, without = [], [], [], 0
    for file in files:
        name = file.relative_to(folder).as_posix()
        rows = _read(file, name)
        for column in filter(None, (target, slice_by)):
            if column not in rows.column_names:
                raise UnfitDataError(f"{name} has no column {column}; it has {', '.join(rows.column_names)}")
        values = _values(rows.column(target))
        known = pc.is_valid(values)
        rows, values = rows.filter(known), values.filter(known)
        without += len(known) - len(values)
        parts.append(rows)
        truth.append(as_labels(values) if labels else _numbers(values, name, target))
        if slice_by:
            slices += [str(value) for value in rows.column(slice_by).to_pylist()]
    together = np.concatenate(truth)
    if not len(together):
        raise UnfitDataError(f"no row has a value of {target}")
    return TableHoldout(parts, together, slices if slice_by else None, without)


def as_labels(values: pa.Array | pa.ChunkedArray) -> Array:
    """Return labels as texts: 1.0 is `1`, and truth values are `true` or `false` however they are spelled."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        return np.array(
            [f"{value:.0f}" if value % 1 == 0 else str(value) for value in values.to_pylist()], object
        )
    texts = values.cast(pa.string()).to_pylist()
    return np.array([text.lower() if text.lower() in ("true", "false") else text for text in texts], object)


def _read(file: Path, name: str) -> pa.Table:
    chunks = []
    try:
        for chunk in read_chunks(file):
            for row, error in chunk.broken.items():
                raise UnfitDataError(f"{name} row {row}: {error}")
            chunks.append(chunk.table)
    except BrokenTableError as error:
        raise UnfitDataError(f"{name}: {error}") from error
    return pa.concat_tables(chunks)


def _values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with null for each value that is empty or NaN."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pa.types.is_string(column.type):
        return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), pa.scalar(None, pa.string()), column)
    return column


def _numbers(values: pa.ChunkedArray, name: str, target: str) -> Array:
    try:
        return values.cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise UnfitDataError(
            f"{name}: {target} is to be a number, and {why}: for labels, set the input task to classification"
        ) from error
