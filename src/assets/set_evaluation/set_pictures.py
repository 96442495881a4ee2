"""The picture of a set's evaluation: how the errors of its keys are distributed, and the total."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"better": "tab:green", "worse": "tab:red", "undecided": "tab:grey"}
BINS = 60


def distributions(members: pa.Table, evidence: Mapping[str, Any]) -> Figure:
    """Draw the metric of the rule for all keys, and candidate against champion if there is one."""
    metric = evidence["set"]["rule"]["metric"]
    has_champion = f"champion_{metric}" in members.column_names
    figure = Figure(figsize=(11 if has_champion else 6, 4.5), layout="constrained")
    axes = figure.subplots(1, 1 + has_champion, squeeze=False)[0]
    _histogram(axes[0], members, metric)
    axes[0].set_title(f"{metric} of {evidence['set']['keys']} keys on {evidence['data']}")
    if has_champion:
        _scatter(axes[1], members, metric)
        axes[1].set_title(f"{evidence['candidate']} against {evidence['champion']}")
    return figure


def _values(members: pa.Table, column: str) -> Any:
    return members[column].to_numpy(zero_copy_only=False).astype(np.float64)


def _histogram(axes: Axes, members: pa.Table, metric: str) -> None:
    for side, colour in (("candidate", "tab:blue"), ("champion", "tab:orange")):
        if f"{side}_{metric}" in members.column_names:
            values = _values(members, f"{side}_{metric}")
            values = values[np.isfinite(values)]
            axes.hist(values, bins=BINS, histtype="step", color=colour, label=f"{side}, {len(values)} keys")
    axes.set(xlabel=metric, ylabel="keys")
    axes.legend()


def _scatter(axes: Axes, members: pa.Table, metric: str) -> None:
    candidate, champion = (_values(members, f"{side}_{metric}") for side in ("candidate", "champion"))
    comparison = np.array(members["comparison"].to_pylist())
    for name, colour in COLOURS.items():
        chosen = (comparison == name) & np.isfinite(candidate) & np.isfinite(champion)
        axes.scatter(champion[chosen], candidate[chosen], s=5, color=colour, label=f"{name}, {chosen.sum()}")
    ends = [*axes.get_xlim(), *axes.get_ylim()]
    axes.axline((min(ends), min(ends)), slope=1, color="black", linewidth=0.5)
    axes.set(xlabel=f"champion {metric}", ylabel=f"candidate {metric}")
    axes.legend()
