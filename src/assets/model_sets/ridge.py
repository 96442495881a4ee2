"""The linear model of a member: its weights over standardized features and weekdays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_sets.features import FeaturePlan

Array = np.ndarray[Any, Any]


class Ridge:
    """The weights of a linear model over standardized features and weekdays."""

    def __init__(self, plan: FeaturePlan, mean: Array, scale: Array, weights: Array) -> None:
        self._weekday, self._mean, self._scale, self._weights = plan.weekday, mean, scale, weights

    @classmethod
    def of(cls, plan: FeaturePlan, arrays: Mapping[str, Array]) -> "Ridge":
        """Return the model in the arrays of an entry. Those of earlier releases are three in place of one."""
        if "numbers" not in arrays:
            return cls(plan, arrays["mean"], arrays["scale"], arrays["weights"])
        width = len(plan.names)
        return cls(plan, *np.split(arrays["numbers"], [width, 2 * width]))

    def predict(self, features: Array) -> Array:
        wide = standardized(features, self._mean, self._scale, self._weekday)
        return np.asarray(wide @ self._weights)


def standardized(features: Array, mean: Array, scale: Array, weekday: int | None) -> Array:
    """Return features of mean 0 and deviation 1 (0 where missing), a column for each weekday, and a 1."""
    scaled = np.nan_to_num((features - mean) / scale, nan=0.0, posinf=0.0, neginf=0.0)
    ones = np.ones((*features.shape[:-1], 1), scaled.dtype)
    days = [] if weekday is None else [(features[..., weekday, None] == np.arange(7)).astype(scaled.dtype)]
    return np.concatenate([scaled, *days, ones], axis=-1)
