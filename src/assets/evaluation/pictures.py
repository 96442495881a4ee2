"""The pictures of an evaluation: the confusion matrix and the metrics with their intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture_fonts import use_fonts
from sklearn.metrics import confusion_matrix

if TYPE_CHECKING:
    from occlusion import Occlusion

NUMBERED_CLASSES = 20  # if there are more classes, their numbers do not fit into the cells
NAMED_CLASSES = 60
SHOWN_SLICES = 40
COLOURS = {"candidate": "tab:blue", "champion": "tab:orange"}


def confusion(truth: Sequence[str], answers: Mapping[str, Sequence[str]]) -> Figure:
    """Draw the confusion matrix of each model, side by side."""
    use_fonts()
    classes = sorted({*truth, *(label for labels in answers.values() for label in labels)})
    figure = Figure(figsize=(6 * len(answers), 5.5), layout="constrained")
    for axes, (who, labels) in zip(
        figure.subplots(1, len(answers), squeeze=False)[0], answers.items(), strict=True
    ):
        matrix = confusion_matrix(truth, labels, labels=classes)
        axes.imshow(matrix, cmap="Blues")
        axes.set(title=who, xlabel="answered", ylabel="true")
        if len(classes) <= NAMED_CLASSES:
            axes.set_xticks(range(len(classes)), classes, rotation=90 if max(map(len, classes)) > 3 else 0)
            axes.set_yticks(range(len(classes)), classes)
        if len(classes) <= NUMBERED_CLASSES:
            _number(axes, matrix)
    return figure


def comparison(evidence: Mapping[str, Any]) -> Figure:
    """Draw the metrics with confidence intervals. Below them, draw the accuracy of the worst slices."""
    use_fonts()
    overall = {metric: cells for metric, cells in evidence["metrics"].items() if metric != "log_loss"}
    every_slice = (evidence["slices"] or {"values": {}})["values"].items()
    worst = sorted(every_slice, key=lambda item: item[1]["metrics"]["accuracy"]["candidate"]["value"])[
        :SHOWN_SLICES
    ]
    slices = {f"{value} (n={part['n']})": part["metrics"]["accuracy"] for value, part in worst}
    parts = [
        (f"on {evidence['data']}, n={evidence['n']}", overall),
        *([("accuracy", slices)] if slices else []),
    ]
    figure = Figure(
        figsize=(8, 0.8 + 0.45 * (len(overall) + len(slices)) + 1.2 * len(parts)), layout="constrained"
    )
    heights = [len(cells) + 1 for _, cells in parts]
    every = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, cells) in zip(every, parts, strict=True):
        _intervals(axes, cells, evidence)
        axes.set_title(title)
    every[0].legend(loc="lower left")
    return figure


def occlusions(shown: Sequence["Occlusion"], candidate: str) -> Figure:
    """Draw the images that the candidate got most wrong, each beside the influence of its parts."""
    use_fonts()
    figure = Figure(figsize=(2.6 * len(shown), 5.2), layout="constrained")
    figure.suptitle(f"{candidate}: influence on the probability of the true label")
    axes = figure.subplots(2, len(shown), squeeze=False)
    bound = max([float(abs(one.influence).max()) for one in shown] + [1e-9])
    for column, one in enumerate(shown):
        axes[0][column].imshow(one.pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes[0][column].set_title(f"{one.name}\n{one.label}: {one.probability:.2f}", fontsize=8)
        drawn = axes[1][column].imshow(one.influence, cmap="RdBu", vmin=-bound, vmax=bound)
        for row in (0, 1):
            axes[row][column].set_axis_off()
    figure.colorbar(drawn, ax=axes[1].tolist(), location="bottom", shrink=0.5)
    return figure


def _number(axes: Axes, matrix: Any) -> None:
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if count > matrix.max() / 2 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)


def _intervals(axes: Axes, cells: Mapping[str, Any], evidence: Mapping[str, Any]) -> None:
    for offset, (who, colour) in zip((-0.12, 0.12), COLOURS.items(), strict=True):
        drawn = [(row, cell[who]) for row, cell in enumerate(cells.values()) if cell[who]]
        drawn = [(row, cell) for row, cell in drawn if None not in cell.values()]
        if not drawn:
            continue
        values = [cell["value"] for _, cell in drawn]
        below = [max(0.0, cell["value"] - cell["low"]) for _, cell in drawn]
        above = [max(0.0, cell["high"] - cell["value"]) for _, cell in drawn]
        rows = [row + offset for row, _ in drawn]
        label = f"{who} {evidence[who]}"
        axes.errorbar(values, rows, xerr=[below, above], fmt="o", color=colour, capsize=3, label=label)
    axes.set_yticks(range(len(cells)), list(cells))
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
