"""The accuracy of a member's forecasts."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def member_metrics(actual: Array, forecast: Array) -> dict[str, float | None]:
    """Return mae, rmse, mape and wape (both as shares) over the rows that have both values.

    MAPE takes the rows whose actual value is not 0: a percentage of 0 is not defined. A metric without rows,
    and WAPE if all actual values are 0, are None.
    """
    actual, forecast = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    known = np.isfinite(actual) & np.isfinite(forecast)
    actual, errors = actual[known], np.abs(actual[known] - forecast[known])
    if not len(errors):
        return dict.fromkeys(("mae", "rmse", "mape", "wape"))
    nonzero = actual != 0
    total = np.abs(actual).sum()
    return {
        "mae": float(errors.mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "mape": float((errors[nonzero] / np.abs(actual[nonzero])).mean()) if nonzero.any() else None,
        "wape": float(errors.sum() / total) if total else None,
    }
