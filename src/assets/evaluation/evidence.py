"""The evidence that the gate reads about predicted labels: metrics of both models, overall and by slice."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from intervals import Array, Estimate, counted, log_loss, mcnemar


class LabelAnswers(Protocol):
    """The predicted label of each row, and the probability of the true label if the model gives any."""

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def of_truth(self) -> Sequence[float] | None: ...


def weigh(
    truth: Sequence[str],
    candidate: LabelAnswers,
    champion: LabelAnswers | None,
    *,
    slices: tuple[str, Sequence[str]] | None,
    confidence: float,
) -> dict[str, Any]:
    """Return the evidence with the fields that the README describes: `n`, `metrics`, `comparison`, `slices`.

    The argument `slices` is the name of a column and the value of each row in it.
    """
    models = [candidate, *([champion] if champion else [])]
    rows = _Rows(truth, models, confidence)
    everything = np.arange(len(truth))
    evidence: dict[str, Any] = {
        "n": len(truth),
        "confidence": confidence,
        "metrics": rows.metrics(everything),
        "comparison": mcnemar(rows.truth, *rows.answers) if champion else None,
        "slices": None,
    }
    if slices:
        by, values = slices
        column = np.array(values)
        of_slices = {
            value: {
                "n": int((column == value).sum()),
                "metrics": rows.metrics(np.flatnonzero(column == value)),
            }
            for value in sorted(set(values))
        }
        evidence["slices"] = {"by": by, "values": of_slices}
    return evidence


class _Rows:
    """The true and the predicted labels as class numbers. Any part of the rows can be measured."""

    def __init__(self, truth: Sequence[str], models: Sequence[LabelAnswers], confidence: float) -> None:
        names = sorted({*truth, *(label for model in models for label in model.labels)})
        number = {name: index for index, name in enumerate(names)}
        self.truth = np.array([number[label] for label in truth])
        self.answers = [np.array([number[label] for label in model.labels]) for model in models]
        self._of_truth = [np.array(model.of_truth) for model in models if model.of_truth is not None]
        self._gives_probabilities = [model.of_truth is not None for model in models]
        self._confidence = confidence

    def metrics(self, rows: Array) -> dict[str, Any]:
        # Give the classes in these rows new numbers without gaps, because a slice seldom has every class.
        together = np.stack([self.truth[rows], *(answer[rows] for answer in self.answers)])
        dense = np.unique(together, return_inverse=True)[1].reshape(together.shape)
        estimates = counted(dense[0], list(dense[1:]), self._confidence)
        cells = {metric: _cells(values) for metric, values in estimates.items()}
        if self._gives_probabilities[0]:
            losses = log_loss([of_truth[rows] for of_truth in self._of_truth], self._confidence)
            cells["log_loss"] = _cells(losses)
        return cells


def _cells(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return the estimates of a metric by name.

    If there is one estimate, it belongs to the candidate. If there are three, they belong to the candidate,
    the champion and the difference.
    """
    cells = [_cell(estimate) for estimate in estimates]
    champion, difference = cells[1:] if len(cells) == 3 else (None, None)
    return {"candidate": cells[0], "champion": champion, "difference": difference}


def _cell(estimate: Estimate) -> dict[str, float | None]:
    """Return a rounded estimate. Numbers that are not finite become None, because JSON has no NaN."""
    return {
        name: round(value, 6) if math.isfinite(value) else None for name, value in estimate._asdict().items()
    }
