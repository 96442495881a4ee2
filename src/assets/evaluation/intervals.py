"""Classification metrics with confidence intervals for one model or two, by scikit-learn and SciPy."""

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
BATCH_ROWS = 1_000_000  # the greatest number of resampled rows that are in memory at the same time
SMALLEST_PROBABILITY = 1e-15
COUNTED = ("accuracy", "precision_macro", "recall_macro", "f1_macro")


class Estimate(NamedTuple):
    """A metric's value with its confidence interval. The bounds are NaN if there are too few rows."""

    value: float
    low: float
    high: float


# For each metric, a list with the estimate of each model. If there are two models, the list also has the
# estimate of the difference: the first model minus the second.
Estimates = dict[str, list[Estimate]]


def counted(truth: Array, answers: Sequence[Array], confidence: float) -> Estimates:
    """Return accuracy, and the means of precision, recall and F1 over the classes.

    `truth` and the predictions of each model (`answers`) are arrays (n,) of class numbers.
    """
    estimates = _bootstrapped((truth, *answers), _counted, confidence)
    result = {metric: [cells[index] for cells in estimates] for index, metric in enumerate(COUNTED)}
    for index, answer in enumerate(answers):
        hits = binomtest(int((truth == answer).sum()), len(truth))
        # If a model made no errors, no resample contains an error, and bootstrap would give 1 as both bounds.
        interval = hits.proportion_ci(confidence, method="wilson")
        result["accuracy"][index] = Estimate(hits.statistic, interval.low, interval.high)
    return result


def log_loss(of_truth: Sequence[Array], confidence: float) -> list[Estimate]:
    """Return the mean of -log(probability of the true class), from arrays (n,) of these probabilities."""
    losses = [rel_entr(1.0, np.clip(values, SMALLEST_PROBABILITY, 1.0)) for values in of_truth]
    return [cells[0] for cells in _bootstrapped(losses, _means, confidence)]


def mcnemar(truth: Array, first: Array, second: Array) -> dict[str, Any]:
    """Run McNemar's exact test.

    It compares the number of rows that only the first model got right with the number of rows that only the
    second model got right.
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
    """Return a list for each model, and one for the difference, with an estimate for each metric.

    Each resample draws the same rows for both models.
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
    """Return the metrics (4, ...) of the rows in the last axis, as scikit-learn defines them.

    All resamples are measured in one call, because one call for each resample would take minutes. For this,
    each resample gets its own class numbers.
    """
    classes = int(max(truth.max(), answer.max())) + 1
    resamples = truth.size // truth.shape[-1]
    own = np.arange(resamples).reshape(*truth.shape[:-1], 1) * classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about classes that a resample does not have
        scores = precision_recall_fscore_support(
            (truth + own).ravel(),
            (answer + own).ravel(),
            labels=np.arange(resamples * classes),
            zero_division=np.nan,
        )[:3]
    per_class = np.stack(scores).reshape(3, *truth.shape[:-1], classes)
    # F1 is undefined only for a class that is neither a true nor a predicted label. Such a class is left out.
    present = ~np.isnan(per_class[2])
    macro = np.where(present, np.nan_to_num(per_class), 0.0).sum(axis=-1) / present.sum(axis=-1)
    return np.concatenate([np.mean(truth == answer, axis=-1)[np.newaxis], macro])
