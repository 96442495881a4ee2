"""The picture that compares a partition with its model's reference."""

from collections.abc import Mapping
from typing import Any

from drift_reference import Sample
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture_fonts import use_fonts

BINS = 30
NAMED_LABELS = 40


def distributions(outcome: Mapping[str, Any], reference: Sample, partition: Sample, title: str) -> Figure:
    """Draw histograms of features and scores, and the shares of labels.

    The title is red if there is drift.
    """
    use_fonts()
    measured = {**outcome["features"], **outcome["predictions"]}
    numbers = {name: (values, partition.features[name]) for name, values in reference.features.items()}
    if reference.scores and partition.scores:
        numbers["score"] = (reference.scores, partition.scores)
    columns = (len(numbers) + 2) // 2
    figure = Figure(figsize=(4 * columns, 6), layout="constrained")
    every = figure.subplots(2, columns).ravel()
    for axes, (name, both) in zip(every, numbers.items(), strict=False):
        span = (min(map(min, both)), max(map(max, both)))
        for values, label in zip(both, ("reference", "partition"), strict=True):
            axes.hist(values, bins=BINS, range=span, density=True, alpha=0.6, label=label)
        _title(axes, name, measured[name])
    _labels(every[len(numbers)], reference, partition)
    _title(every[len(numbers)], "predicted label", measured["label"])
    every[0].legend()
    for axes in every[len(numbers) + 1 :]:
        axes.set_visible(False)
    verdict = "breached" if outcome["breached"] else "not breached"
    figure.suptitle(f"{title}: {verdict}, {outcome['share_drifted']:.0%} drifted")
    return figure


def _labels(axes: Axes, reference: Sample, partition: Sample) -> None:
    labels = sorted({*reference.labels, *partition.labels})
    for offset, counts in ((-0.2, reference.labels), (0.2, partition.labels)):
        shares = [counts.get(label, 0) / sum(counts.values()) for label in labels]
        axes.bar([position + offset for position in range(len(labels))], shares, width=0.4, alpha=0.6)
    if len(labels) <= NAMED_LABELS:
        axes.set_xticks(range(len(labels)), labels)


def _title(axes: Axes, name: str, difference: Mapping[str, Any]) -> None:
    relation = ">" if difference["value"] > difference["threshold"] else "≤"
    text = f"{name}: {difference['value']:.2f} {relation} {difference['threshold']:.2f}"
    axes.set_title(text, color="tab:red" if difference["drifted"] else "black")
