"""The errors of forecasts by key: one definition for training, judging and renewal.

A table of rows is reduced to six sums for each key. The metrics of keys, of slices, of a whole set and of
resamples follow from these sums, so that they always agree.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

METRICS = ("mae", "rmse", "mape", "wape")
SUMS = ("rows", "abs_error", "squared_error", "abs_share", "share_rows", "abs_actual")
REASON_ZEROS = "all actual values are 0, so there is no percentage error"


def sums_sql(actual: str, forecast: str) -> str:
    """Return DuckDB's aggregates for `SUMS`, from two expressions. Rows count if both numbers are finite."""
    usable = f"isfinite({actual}) AND isfinite({forecast})"
    not_zero = f"{usable} AND {actual} <> 0"
    error = f"abs({forecast} - {actual})"
    return ", ".join(
        (
            f"count(*) FILTER ({usable})::DOUBLE AS rows",
            f"coalesce(sum({error}) FILTER ({usable}), 0)::DOUBLE AS abs_error",
            f"coalesce(sum({error} * {error}) FILTER ({usable}), 0)::DOUBLE AS squared_error",
            f"coalesce(sum({error} / abs({actual})) FILTER ({not_zero}), 0)::DOUBLE AS abs_share",
            f"count(*) FILTER ({not_zero})::DOUBLE AS share_rows",
            f"coalesce(sum(abs({actual})) FILTER ({usable}), 0)::DOUBLE AS abs_actual",
        )
    )


def sums_of_rows(actual: Array, forecast: Array) -> Array:
    """Return the sums (rows, 6) of each row by itself, from two arrays of floats."""
    usable = np.isfinite(actual) & np.isfinite(forecast)
    error = np.abs(np.subtract(forecast, actual, out=np.zeros(len(actual)), where=usable))
    size = np.abs(np.where(usable, actual, 0.0))
    share = np.divide(error, size, out=np.zeros_like(error), where=size != 0)
    return np.stack([usable, error, np.square(error), share, size != 0, size], axis=-1, dtype=np.float64)


def sums_of(actual: Array, forecast: Array) -> Array:
    """Return the sums (6,) of the rows of one key, from two arrays of floats."""
    sums: Array = sums_of_rows(actual, forecast).sum(axis=0)
    return sums


def errors_of(sums: Array) -> dict[str, Array]:
    """Return each metric from an array (..., 6) of sums. It is NaN where it is not defined.

    `mape` and `wape` are shares: 0.5 is 50 percent. `mape` is the mean over the rows whose actual value is
    not 0. `wape` is the sum of the errors, divided by the sum of the actual values.
    """
    column = {name: sums[..., number] for number, name in enumerate(SUMS)}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = {
            "mae": column["abs_error"] / column["rows"],
            "rmse": np.sqrt(column["squared_error"] / column["rows"]),
            "mape": column["abs_share"] / column["share_rows"],
            "wape": column["abs_error"] / column["abs_actual"],
        }
    return {name: np.where(np.isfinite(value), value, np.nan) for name, value in values.items()}


def rows_of(sums: Array) -> Mapping[str, Array]:
    """Return over how many rows each metric is, from an array (..., 6) of sums."""
    rows, share_rows = sums[..., 0], sums[..., SUMS.index("share_rows")]
    return {name: share_rows if name == "mape" else rows for name in METRICS}
