"""The values of metrics: the one place that decides what counts as a number, for evidence and for MLflow."""

import math
from typing import Any

# MLflow stores infinity as the largest float, 1.7976931348623157e308, which may be rounded on the way. See
# sanitize_metric_value in https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/sqlalchemy_store.py
_INFINITE = 1.797e308


def finite(value: Any) -> float | None:
    """Return a finite number as float, and None for anything else.

    These are no numbers: strings, booleans, NaN, infinities, and what MLflow stores in place of infinity.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer with hundreds of digits is too large for a float
        return None
    return number if math.isfinite(number) and abs(number) < _INFINITE else None
