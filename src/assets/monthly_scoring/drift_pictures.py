"""Pictures of a month beside its model's reference, for people. Measures nothing."""

from collections.abc import Mapping
from typing import Any

from drift_reference import Sample
from matplotlib.figure import Figure

BINS = 30


def distributions(reference: Sample, month: Sample) -> Figure:
    """A histogram for each feature and the scores, and the labels' shares."""
    numbers = {name: (values, month.features[name]) for name, values in reference.features.items()}
    if reference.scores and month.scores:
        numbers["score"] = (reference.scores, month.scores)
    count = len(numbers) + 1
    figure = Figure(figsize=(4 * ((count + 1) // 2), 6), layout="constrained")
    *every, last = figure.subplots(2, (count + 1) // 2).ravel()[:count]
    for axes, (name, both) in zip(every, numbers.items(), strict=True):
        span = (min(map(min, both)), max(map(max, both)))
        for values, label in zip(both, ("reference", "month"), strict=True):
            axes.hist(values, bins=BINS, range=span, density=True, alpha=0.6, label=label)
        axes.set_title(name)
    every[0].legend()
    labels = sorted({*reference.labels, *month.labels})
    for offset, counts in ((-0.2, reference.labels), (0.2, month.labels)):
        shares = [counts.get(label, 0) / sum(counts.values()) for label in labels]
        last.bar([place + offset for place in range(len(labels))], shares, width=0.4)
    last.set_xticks(range(len(labels)), labels)
    last.set_title("predicted label")
    return figure


def distances(outcome: Mapping[str, Any], title: str) -> Figure:
    """How far each is from the reference, and the threshold."""
    found = {**outcome["features"], **outcome["predictions"]}
    figure = Figure(figsize=(8, 0.5 * len(found) + 1.2), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:red" if one["drifted"] else "tab:blue" for one in found.values()]
    axes.barh(list(found), [one["value"] for one in found.values()], color=colours)
    axes.axvline(next(iter(found.values()))["threshold"], color="black", linestyle=":")
    verdict = "breached" if outcome["breached"] else "not breached"
    axes.set(title=f"{title}: {verdict}, {outcome['share_drifted']:.0%} drifted", xlim=(0, 1))
    axes.invert_yaxis()
    return figure
