"""Metrics of classification with confidence intervals, for one model or a pair, by scikit-learn and SciPy."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import rel_entr
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import precision_recall_fscore_support

Array = np.ndarray[Any, Any]

RESAMPLES = 1_000
BATCH_ROWS = 1_000_000  # rows of all resamples that are in memory at once
SMALLEST_PROBABILITY = 1e-15
COUNTED = ("accuracy", "precision_macro", "recall_macro", "f1_macro")


class Estimate(NamedTuple):
    """The value of a metric with its confidence interval; NaN if there are too few rows."""

    value: float
    low: float
    high: float


# The metric of each model in turn and, of two, the first less the second.
Estimates = dict[str, list[Estimate]]


def counted(truth: Array, answers: Sequence[Array], confidence: float) -> Estimates:
    """Return accuracy, and the class means of precision, recall and F1, from arrays (n,) of class numbers."""
    found = _bootstrapped((truth, *answers), _counted, confidence)
    result = {metric: [cells[index] for cells in found] for index, metric in enumerate(COUNTED)}
    for index, answer in enumerate(answers):
        hits = binomtest(int((truth == answer).sum()), len(truth))
        # Resampling a model without errors would promise that it never errs.
        interval = hits.proportion_ci(confidence, method="wilson")
        result["accuracy"][index] = Estimate(hits.statistic, interval.low, interval.high)
    return result


def log_loss(of_truth: Sequence[Array], confidence: float) -> list[Estimate]:
    """Return the mean of -log(probability of the true class), from arrays (n,) of these probabilities."""
    losses = [rel_entr(1.0, np.clip(one, SMALLEST_PROBABILITY, 1.0)) for one in of_truth]
    return [cells[0] for cells in _bootstrapped(losses, _means, confidence)]


def mcnemar(truth: Array, first: Array, second: Array) -> dict[str, Any]:
    """Return the p-value of McNemar's exact test.

    It asks if each model is right equally often, on the rows for which only one of them is right.
    """
    only_first = int(((first == truth) & (second != truth)).sum())
    only_second = int(((first != truth) & (second == truth)).sum())
    split = only_first + only_second
    p_value = float(binomtest(only_first, split).pvalue) if split else 1.0
    return {
        "test": "mcnemar_exact",
        "candidate_only": only_first,
        "champion_only": only_second,
        "p_value": p_value,
    }


def _bootstrapped(data: Sequence[Array], statistic: Any, confidence: float) -> list[list[Estimate]]:
    """Return for each model, and for the difference of two, an estimate of each metric.

    The rows are drawn in pairs.
    """
    values = statistic(*data)
    low = high = np.full_like(values, math.nan)
    if len(data[0]) > 1:
        interval = bootstrap(
            data,
            statistic,
            n_resamples=RESAMPLES,
            batch=max(1, BATCH_ROWS // len(data[0])),
            vectorized=True,
            paired=True,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = interval.low, interval.high
    return [
        [Estimate(*map(float, cell)) for cell in zip(*triple, strict=True)]
        for triple in zip(values, low, high, strict=True)
    ]


def _counted(truth: Array, *answers: Array, axis: int = -1) -> Array:  # noqa: ARG001  scipy's contract
    return _with_difference([_per_model(truth, answer) for answer in answers])


def _means(*losses: Array, axis: int = -1) -> Array:
    return _with_difference([np.mean(loss, axis=axis)[np.newaxis] for loss in losses])


def _with_difference(values: list[Array]) -> Array:
    return np.stack([*values, values[0] - values[1]] if len(values) == 2 else values)


def _per_model(truth: Array, answer: Array) -> Array:
    """Return the metrics (4, ...) of the rows in the last axis, each as scikit-learn defines it.

    All resamples are one call, each with class numbers of its own: one call for each resample takes minutes.
    """
    classes = int(max(truth.max(), answer.max())) + 1
    resamples = truth.size // truth.shape[-1]
    own = np.arange(resamples).reshape(*truth.shape[:-1], 1) * classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that a resample lacks
        scores = precision_recall_fscore_support(
            (truth + own).ravel(),
            (answer + own).ravel(),
            labels=np.arange(resamples * classes),
            zero_division=np.nan,
        )[:3]
    per_class = np.stack(scores).reshape(3, *truth.shape[:-1], classes)
    # F1 is undefined only for a class that is neither true nor answered; then it does not count.
    there = ~np.isnan(per_class[2])
    macro = np.where(there, np.nan_to_num(per_class), 0.0).sum(axis=-1) / there.sum(axis=-1)
    return np.concatenate([np.mean(truth == answer, axis=-1)[np.newaxis], macro])
