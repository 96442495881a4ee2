"""The comparison of a partition with the data that its model was trained on, by SciPy's two-sample tests."""

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
    """The distance of two distributions (0 to 1), and the probability of such a distance by chance."""

    statistic: str
    value: float
    p_value: float


def measure(reference: Sample, partition: Sample, *, threshold: float, share: float) -> dict[str, Any]:
    """Compare a partition with the reference and return the fields of drift.json.

    A feature or prediction has drifted if its distance exceeds `threshold` and is significant after the
    correction for all tests together (Benjamini and Hochberg). The partition is breached if at least the
    share `share` of all features and predictions has drifted.
    """
    of_features = {
        name: _numbers(reference.features[name], partition.features[name])
        for name in reference.features
        if name in partition.features
    }
    of_predictions = {"label": _counts(reference.labels, partition.labels)}
    if reference.scores and partition.scores:
        of_predictions["score"] = _numbers(reference.scores, partition.scores)
    differences = [*of_features.values(), *of_predictions.values()]
    # If both samples are the same constant, there is no p-value. They do not differ, so use a p-value of 1.
    p_values = [np.nan_to_num(difference.p_value, nan=1.0) for difference in differences]
    corrected = false_discovery_control(p_values).tolist()
    shown = [
        _shown(difference, p_value, threshold)
        for difference, p_value in zip(differences, corrected, strict=True)
    ]
    drifted = sum(entry["drifted"] for entry in shown) / len(shown)
    return {
        "n": partition.n,
        "breached": drifted >= share,
        "share_drifted": round(drifted, 6),
        "threshold_share": share,
        "features": dict(zip(of_features, shown, strict=False)),
        "predictions": dict(zip(of_predictions, shown[len(of_features) :], strict=True)),
    }


def _numbers(reference: Sequence[float], partition: Sequence[float]) -> Difference:
    """Return the largest distance between the two cumulative distributions."""
    test = ks_2samp(reference, partition)
    return Difference("kolmogorov_smirnov", float(test.statistic), float(test.pvalue))


def _counts(reference: Mapping[str, int], partition: Mapping[str, int]) -> Difference:
    """Return Cramer's V of the counts of labels."""
    labels = sorted({*reference, *partition})
    if len(labels) < 2:
        return Difference("cramers_v", 0.0, 1.0)
    table = np.array([[counts.get(label, 0) for label in labels] for counts in (reference, partition)])
    distance = float(association(table, method="cramer"))
    return Difference("cramers_v", distance, float(chi2_contingency(table).pvalue))


def _shown(difference: Difference, p_value: float, threshold: float) -> dict[str, Any]:
    return {
        "statistic": difference.statistic,
        "value": round(difference.value, 6),
        "threshold": threshold,
        "p_value": float(f"{p_value:.3g}"),
        "drifted": difference.value > threshold and p_value < SIGNIFICANCE,
    }
