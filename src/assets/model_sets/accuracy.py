"""The accuracy of a member's forecasts."""

import math
from typing import Any

import numpy as np

from model_sets.key_errors import errors_of, sums_of

Array = np.ndarray[Any, Any]


def member_metrics(actual: Array, forecast: Array) -> dict[str, float | None]:
    """Return mae, rmse, mape and wape (both as shares) over the rows that have both values.

    A metric that is not defined is None, as `key_errors` says.
    """
    errors = errors_of(sums_of(np.asarray(actual, np.float64), np.asarray(forecast, np.float64)))
    return {name: float(value) if math.isfinite(value) else None for name, value in errors.items()}
