"""The pictures of a table model's evaluation: what its predictions depend on, and how near they are."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from picture_fonts import use_fonts
from pictures import COLOURS
from table_answers import TableAnswers
from table_holdout import Array

SHOWN_COLUMNS = 30


def importance(evidence: Mapping[str, Any]) -> Figure:
    """Draw by how much the error grows if the values of a column are permuted, most influential first."""
    use_fonts()
    found = evidence["importance"]
    growth = dict(list(found["growth"].items())[:SHOWN_COLUMNS])
    figure = Figure(figsize=(8, 1.5 + 0.35 * len(growth)), layout="constrained")
    axes = figure.subplots()
    means, deviations = ([change[key] for change in growth.values()] for key in ("mean", "deviation"))
    axes.barh(range(len(growth)), means, xerr=deviations, capsize=3)
    axes.set_yticks(range(len(growth)), list(growth))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"growth of {found['metric']} ({found['value']:.4g}) on {found['rows']} rows")
    axes.set_title(f"{evidence['candidate']}: influence of each column")
    return figure


def predictions(evidence: Mapping[str, Any], truth: Array, answers: Mapping[str, TableAnswers]) -> Figure:
    """Draw the predictions of each model against the true values."""
    use_fonts()
    figure = Figure(figsize=(6 * len(answers), 5.5), layout="constrained")
    axes = figure.subplots(1, len(answers), squeeze=False)[0]
    for place, (who, answer) in zip(axes, answers.items(), strict=True):
        place.scatter(truth, answer.values, s=5, alpha=0.5, color=COLOURS[who])
        low, high = float(truth.min()), float(truth.max())
        place.plot((low, high), (low, high), color="black", linewidth=0.5)
        error = evidence["metrics"]["mae"][who]["value"]
        place.set(title=f"{evidence[who]}, mae {error:.4g}", xlabel="true", ylabel="predicted")
    return figure
