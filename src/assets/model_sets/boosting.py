"""The import of LightGBM without scikit-learn, which takes most of its time. No built-in member needs it.

A user's own member may need LightGBM's classes for scikit-learn. So this is for processes that load none.
"""

import sys
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def import_alone() -> None:
    """Import LightGBM without scikit-learn, unless one of the two has been imported."""
    if "lightgbm" in sys.modules or "sklearn" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules["sklearn"] = None  # LightGBM goes on if this import fails
    try:
        import lightgbm  # noqa: F401
    finally:
        del modules["sklearn"]


def import_for(indexes: Iterable[pa.Table]) -> None:
    """Import LightGBM for the members of some sets, without scikit-learn if none of them is a user's own."""
    loaders = {str(loader) for index in indexes for loader in pc.unique(index["loader"]).to_pylist()}
    if "lightgbm-text" in loaders and "cloudpickle" not in loaders:
        import_alone()
