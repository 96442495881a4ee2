"""The predictions of a model for a labelled set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from image_model import ImageModel
from labelled import LabelledSet, UnfitDataError
from occlusion import Occlusion, most_wrong, occlude
from output_kinds import JOINT, Answer
from preprocess_keys import UnfitModelError

MEASURED = ("classes", "multilabel")
ROUNDING = 0.01  # by which a probability may be outside 0 to 1


@dataclass(frozen=True)
class Answers:
    """The label that a model predicted for each image of the set, or an empty string if it predicted none.

    `of_truth` is the probability of the true label, or None if the model gives no probabilities. `occlusions`
    are those of the images that the model got most wrong.
    """

    labels: Sequence[str]
    of_truth: Sequence[float] | None
    occlusions: Sequence[Occlusion] = ()


def answers_of(folder: Path, data: LabelledSet) -> Answers:
    """Return the predictions of one model.

    Raise UnfitDataError if the model can predict none of the labels, or if an image cannot be read.
    """
    model = ImageModel(folder)
    if model.output.kind not in MEASURED:
        raise UnfitModelError(
            f"its metadata says output: {{kind: {model.output.kind}}}, and the evaluation measures labels"
            " only: judge it in an evaluation of your own"
        )
    parts = {part for label in data.labels for part in (label, *label.split(JOINT))}
    if model.labels and not parts & set(model.labels):
        raise UnfitDataError(
            f"the labels of the set are {_some(data.labels)}; the model knows {_some(model.labels)}"
        )
    labels: list[str] = []
    of_truth: list[float] | None = []
    for pixels in data.batches(model.frame):
        if not labels:
            model.check_single(pixels)
        truth = data.labels[len(labels) : len(labels) + len(pixels)]
        answer = model.answer(pixels)
        _check_probabilities(answer)
        labels += [prediction.label for prediction in answer.predictions]
        if of_truth is not None:
            chances = _of_truth(answer, truth)
            of_truth = None if chances is None else of_truth + chances
    occlusions = _occlusions(model, data, of_truth) if of_truth else []
    return Answers(labels, of_truth, occlusions)


def _check_probabilities(answer: Answer) -> None:
    """Raise UnfitModelError if numbers that are no probabilities would be taken for some."""
    if answer.probabilities is None:
        return
    low, high = float(np.nanmin(answer.probabilities)), float(np.nanmax(answer.probabilities))
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise UnfitModelError(
            f"it returned numbers from {low:.3g} to {high:.3g} as probabilities: if they are logits,"
            " add output: {activation: softmax} to its metadata"
        )


def _occlusions(model: ImageModel, data: LabelledSet, of_truth: Sequence[float]) -> list[Occlusion]:
    """Cover the parts of the images that the model got most wrong, one part after another."""
    found = []
    for place in most_wrong(of_truth):
        label = data.labels[place]
        chosen = replace(data, names=[data.names[place]], labels=[label])
        (pixels,) = next(chosen.batches(model.frame))

        def probability(images: np.ndarray[Any, Any], label: str = label) -> np.ndarray[Any, Any]:
            chances = _of_truth(model.answer(images), [label] * len(images))
            assert chances is not None
            return np.array(chances)

        before, influence = occlude(pixels, probability)
        found.append(Occlusion(data.names[place], label, before, pixels, influence))
    return found


def _of_truth(answer: Answer, truth: Sequence[str]) -> list[float] | None:
    """Return the probability of each true label, or None if the model gives no probabilities."""
    if answer.classes is None or answer.probabilities is None:
        return None
    column = {label: number for number, label in enumerate(answer.classes)}
    return [
        float(row[column[label]]) if label in column else 0.0
        for row, label in zip(answer.probabilities, truth, strict=True)
    ]


def _some(labels: Sequence[str]) -> str:
    return ", ".join(sorted(set(labels))[:12])
