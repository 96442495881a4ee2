"""Ridge regression of one key, from the sums of products of its columns.

The features are standardized, and missing ones are 0. Rows without missing features, which are most, enter by
one product of matrices and are never standardized themselves.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from model_sets.ridge import standardized

Array = np.ndarray[Any, Any]
CONSTANT_PENALTY = 1e-6  # the constant is hardly shrunk
LEAST_DEVIATION = 1e-9
DAYS = np.arange(7)


@dataclass(frozen=True)
class RidgeFit:
    """The mean and deviation of each feature, and the weights of features, weekdays and constant."""

    mean: Array
    scale: Array
    weights: Array


def solve(features: Array, values: Array, weekday: int | None, penalty: float) -> RidgeFit:
    """Return the weights for the rows (n, features) with their values (n,)."""
    dirty = np.isnan(features.sum(axis=1))
    some = bool(dirty.any())
    whole, lacking = (features[~dirty], features[dirty]) if some else (features, features[:0])
    targets = values[~dirty] if some else values
    width = features.shape[1]
    first = (whole[0] if len(whole) else np.nan_to_num(lacking[0])).astype(np.float64)
    products = _products(whole, targets, weekday, first)
    mean, scale = _scales(products, lacking - first, width)
    gram, right = _standardized_products(products, mean, scale, width)
    exact = RidgeFit((mean + first).astype(np.float32), scale.astype(np.float32), np.zeros(0))
    if some:
        rest = standardized(lacking, exact.mean, exact.scale, weekday).astype(np.float64)
        gram += rest.T @ rest
        right += rest.T @ values[dirty].astype(np.float64)
    shrunk = np.full(len(gram), penalty)
    shrunk[-1] = CONSTANT_PENALTY
    gram[np.diag_indices_from(gram)] += shrunk
    return RidgeFit(exact.mean, exact.scale, np.linalg.solve(gram, right).astype(np.float32))


def _products(rows: Array, targets: Array, weekday: int | None, first: Array) -> Array:
    """Return the sums of products of all pairs of columns: features less `first`, weekdays, 1, the target."""
    width, days = rows.shape[1], 0 if weekday is None else 7
    columns = np.empty((width + days + 2, len(rows)))
    np.subtract(rows.T, first[:, None], out=columns[:width])
    if weekday is not None:
        columns[width : width + 7] = rows[:, weekday] == DAYS[:, None]
    columns[-2], columns[-1] = 1.0, targets
    products: Array = columns @ columns.T
    return products


def _scales(products: Array, lacking: Array, width: int) -> tuple[Array, Array]:
    """Return mean and deviation of each feature over the rows that have it, 0 and 1 if none has.

    Both are those of the features less their first row.
    """
    known = ~np.isnan(lacking)
    filled = np.where(known, lacking, 0.0)
    number = np.maximum(products[-2, -2] + known.sum(axis=0), 1)
    mean = (products[-2, :width] + filled.sum(axis=0)) / number
    squares = products.diagonal()[:width] + np.square(filled).sum(axis=0)
    deviation = np.sqrt(np.maximum(squares / number - np.square(mean), 0.0))
    return mean, np.where(deviation > LEAST_DEVIATION, deviation, 1.0)


def _standardized_products(products: Array, mean: Array, scale: Array, width: int) -> tuple[Array, Array]:
    """Return the products as if the features had been standardized: those of all columns, with the target."""
    shift = np.zeros(len(products))
    shift[:width] = mean
    factor = np.ones(len(products))
    factor[:width] = 1 / scale
    sums, rows = products[-2], products[-2, -2]
    centred = products - np.outer(shift, sums) - np.outer(sums, shift) + rows * np.outer(shift, shift)
    scaled = centred * np.outer(factor, factor)
    return scaled[:-1, :-1].copy(), scaled[:-1, -1].copy()
