"""The comparison of a month with the data its model was trained on, by SciPy's two-sample tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from drift_reference import Sample
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp
from scipy.stats.contingency import association

SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Difference:
    """How far two distributions are apart (0 to 1), and the probability that this is by chance."""

    statistic: str
    value: float
    p_value: float


def measure(reference: Sample, month: Sample, *, threshold: float, share: float) -> dict[str, Any]:
    """Return `breached`, `share_drifted`, and the numbers of each feature and of the predictions.

    A feature has drifted if its distance exceeds the threshold and is significant when all tests are taken
    together (Benjamini and Hochberg). The month is breached if at least the given share has drifted.
    """
    of_features = {
        name: _numbers(reference.features[name], month.features[name])
        for name in reference.features
        if name in month.features
    }
    of_predictions = {"label": _counts(reference.labels, month.labels)}
    if reference.scores and month.scores:
        of_predictions["score"] = _numbers(reference.scores, month.scores)
    every = [*of_features.values(), *of_predictions.values()]
    # A constant beside the same constant has no p-value, and no difference.
    chances = false_discovery_control([np.nan_to_num(one.p_value, nan=1.0) for one in every]).tolist()
    shown = [_shown(one, chance, threshold) for one, chance in zip(every, chances, strict=True)]
    drifted = sum(one["drifted"] for one in shown) / len(shown)
    return {
        "n": month.n,
        "breached": drifted >= share,
        "share_drifted": round(drifted, 6),
        "threshold_share": share,
        "features": dict(zip(of_features, shown, strict=False)),
        "predictions": dict(zip(of_predictions, shown[len(of_features) :], strict=True)),
    }


def _numbers(reference: Sequence[float], month: Sequence[float]) -> Difference:
    """Return the largest distance between the two cumulative distributions."""
    found = ks_2samp(reference, month)
    return Difference("kolmogorov_smirnov", float(found.statistic), float(found.pvalue))


def _counts(reference: Mapping[str, int], month: Mapping[str, int]) -> Difference:
    """Return Cramer's V of the labels' counts."""
    labels = sorted({*reference, *month})
    if len(labels) < 2:
        return Difference("cramers_v", 0.0, 1.0)
    table = np.array([[counts.get(label, 0) for label in labels] for counts in (reference, month)])
    found = float(association(table, method="cramer"))
    return Difference("cramers_v", found, float(chi2_contingency(table).pvalue))


def _shown(found: Difference, chance: float, threshold: float) -> dict[str, Any]:
    return {
        "statistic": found.statistic,
        "value": round(found.value, 6),
        "threshold": threshold,
        "p_value": float(f"{chance:.3g}"),
        "drifted": found.value > threshold and chance < SIGNIFICANCE,
    }
