"""Permutation importance: how much the error of a model grows if the values of a column are permuted.

A prediction that does not change does not use the column.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

REPEATS = 5


def growth_of_error(
    columns: Sequence[str], error: Callable[[str | None, np.random.Generator], float]
) -> dict[str, Any]:
    """Return the error as it is (`value`), and its growth for each column, most influential first.

    `error` returns the error with the values of one column permuted, or of none. Each column is permuted
    five times; `deviation` is the standard deviation of these.
    """
    rng = np.random.default_rng(0)
    before = error(None, rng)
    growth = {}
    for name in columns:
        changes = [error(name, rng) - before for _ in range(REPEATS)]
        growth[name] = {
            "mean": round(float(np.mean(changes)), 9),
            "deviation": round(float(np.std(changes)), 9),
        }
    ordered = dict(sorted(growth.items(), key=lambda item: -item[1]["mean"]))
    return {"value": round(before, 9), "growth": ordered}
