"""The conversion of a table to the columns that a model takes, and what is wrong with rows that do not fit.

MLflow enforces the signature for a table as a whole. This module decides row by row where it can: text
becomes the type of the signature, and a row with a value that has another type gets an error. What it does
not know is left to MLflow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

Errors = np.ndarray[Any, np.dtype[np.object_]]  # of each row: a sentence, or an empty text
Column = tuple["pd.Series[Any]", Errors]

MOST_EXACT = 2**53  # the greatest integer up to which a double is exact
RANGES = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class ModelColumn(NamedTuple):
    """A column of a model's signature. `type` is the name of MLflow's type, or empty for another one."""

    name: str
    type: str
    required: bool


def convert(table: pa.Table, columns: Sequence[ModelColumn]) -> tuple[pd.DataFrame, Errors]:
    """Return the columns of the signature that the table has, and the error of each row.

    Values of rows with an error are meaningless.
    """
    errors = _no_errors(len(table))
    converted: dict[str, pd.Series[Any]] = {}
    for column in columns:
        if column.name not in table.column_names:
            if column.required:
                errors = _first(errors, _all(len(table), f"the column {column.name} is missing"))
            continue
        values, of_column = _converted(table.column(column.name), column)
        converted[column.name] = values
        errors = _first(errors, of_column)
    return pd.DataFrame(converted, index=pd.RangeIndex(len(table))), errors


def _converted(values: pa.ChunkedArray, column: ModelColumn) -> Column:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    convert_to = _CONVERSIONS.get(column.type)
    is_text = values.type in (pa.string(), pa.large_string(), pa.string_view())
    if convert_to is None:
        return values.to_pandas(), _no_errors(len(values))
    if column.type == "string":
        return _text(values, column, is_text=is_text)
    if not is_text:
        return _typed(values, column)
    series = values.to_pandas()
    empty = series.isna().to_numpy() | series.str.strip().eq("").to_numpy(dtype=bool)
    result, invalid = convert_to(series)
    errors = _where(invalid & ~empty, f"the value of {column.name} is not of type {column.type}")
    if column.type in ("integer", "long", "boolean"):  # these have no missing values
        errors = _first(errors, _empty(empty, column))
    return result, errors


def _text(values: pa.ChunkedArray, column: ModelColumn, *, is_text: bool) -> Column:
    if is_text or pa.types.is_null(values.type):
        return values.to_pandas().astype(object), _no_errors(len(values))
    why = f"the column {column.name} is {values.type}, and the model takes text"
    return values.to_pandas(), _all(len(values), why)


def _typed(values: pa.ChunkedArray, column: ModelColumn) -> Column:
    """Convert a column that has a type already, if no value changes by that. MLflow decides on the rest."""
    empty = values.is_null().to_numpy()
    if pa.types.is_integer(values.type):
        if column.type in RANGES:
            low, high = RANGES[column.type]
            numbers = values.fill_null(0).to_numpy()
            invalid = (numbers < low) | (numbers > high)
            result = np.where(invalid, 0, numbers).astype("int32" if column.type == "integer" else "int64")
            errors = _where(invalid, f"the value of {column.name} is not of type {column.type}")
            return pd.Series(result), _first(errors, _empty(empty, column))
        if column.type in ("double", "float"):
            exact = MOST_EXACT if column.type == "double" else 2**24
            numbers = values.fill_null(0).to_numpy()
            invalid = (numbers < -exact) | (numbers > exact)
            result = np.where(empty, np.nan, numbers).astype(
                "float64" if column.type == "double" else "float32"
            )
            return pd.Series(result), _where(invalid, f"the value of {column.name} is too large to be exact")
    if pa.types.is_null(values.type) and column.type in ("double", "float"):
        return pd.Series(np.full(len(values), np.nan)), _no_errors(len(values))
    if pa.types.is_boolean(values.type) and column.type == "boolean":
        return pd.Series(values.fill_null(False).to_numpy()), _empty(empty, column)
    if pa.types.is_timestamp(values.type) and values.type.tz:
        values = values.cast(pa.timestamp(values.type.unit))  # the time in UTC
    return values.to_pandas(), _no_errors(len(values))


def _doubles(series: "pd.Series[Any]") -> tuple["pd.Series[Any]", np.ndarray[Any, Any]]:
    numbers = pd.to_numeric(series, errors="coerce").astype("float64")
    is_nan = series.str.strip().str.lower().eq("nan").to_numpy(dtype=bool)
    return numbers, numbers.isna().to_numpy() & ~is_nan


def _floats(series: "pd.Series[Any]") -> tuple["pd.Series[Any]", np.ndarray[Any, Any]]:
    numbers, invalid = _doubles(series)
    return numbers.astype("float32"), invalid


def _integers(kind: str) -> Callable[["pd.Series[Any]"], tuple["pd.Series[Any]", np.ndarray[Any, Any]]]:
    """Return the conversion of whole numbers, which are exact: they are never floats in between."""
    low, high = RANGES[kind]

    def convert_to(series: "pd.Series[Any]") -> tuple["pd.Series[Any]", np.ndarray[Any, Any]]:
        whole = series.str.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*").eq(True).to_numpy(dtype=bool)
        numbers = [int(text) if fits else 0 for text, fits in zip(series, whole, strict=True)]
        within = np.fromiter((low <= number <= high for number in numbers), bool, len(numbers))
        kept = [number if fits else 0 for number, fits in zip(numbers, within, strict=True)]
        return pd.Series(kept, dtype="int32" if kind == "integer" else "int64"), ~(whole & within)

    return convert_to


def _booleans(series: "pd.Series[Any]") -> tuple["pd.Series[Any]", np.ndarray[Any, Any]]:
    values = series.str.strip().str.lower().map(BOOLEANS)
    return values.eq(True), values.isna().to_numpy()


def _times(series: "pd.Series[Any]") -> tuple["pd.Series[Any]", np.ndarray[Any, Any]]:
    """Read times as ISO 8601 writes them. One with an offset becomes the time in UTC."""
    times = pd.to_datetime(series, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    return times, times.isna().to_numpy()


_CONVERSIONS: Mapping[str, Callable[["pd.Series[Any]"], tuple["pd.Series[Any]", np.ndarray[Any, Any]]]] = {
    "string": lambda series: (series, np.zeros(len(series), dtype=bool)),
    "double": _doubles,
    "float": _floats,
    "long": _integers("long"),
    "integer": _integers("integer"),
    "boolean": _booleans,
    "datetime": _times,
}


def _empty(empty: np.ndarray[Any, Any], column: ModelColumn) -> Errors:
    return _where(empty, f"the value of {column.name} is empty, and the model takes {column.type}")


def _no_errors(rows: int) -> Errors:
    return np.full(rows, "", dtype=object)


def _all(rows: int, error: str) -> Errors:
    return np.full(rows, error, dtype=object)


def _where(rows: np.ndarray[Any, Any], error: str) -> Errors:
    return np.where(rows, error, "").astype(object)


def _first(errors: Errors, others: Errors) -> Errors:
    """Return the first error of each row."""
    return np.where(errors != "", errors, others)
