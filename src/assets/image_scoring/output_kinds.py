"""The answers of a model of images by what its output is: classes, labels, numbers, vectors or boxes."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from model_output import (
    Array,
    Declared,
    Prediction,
    as_array,
    label_text,
    read_output,
    read_probabilities,
)
from output_keys import OutputSpec
from preprocess_keys import UnfitModelError

EMBEDDING, BOXES, LABELS, TOP = "embedding", "boxes", "labels", "top"  # further columns of rows
JOINT = ";"  # between the labels of one image
DIGITS = 6


class Answer(NamedTuple):
    """The predictions of a batch, and `probabilities` (n, classes) if the model gives them."""

    predictions: list[Prediction]
    classes: list[str] | None = None
    probabilities: Array | None = None


def read_answer(output: Any, spec: OutputSpec, labels: Declared) -> Answer:
    """Return the answer that a model's output is.

    Raise UnfitModelError if the output is not what the model's metadata says.
    """
    chosen = _chosen(output, spec.name)
    match spec.kind:
        case "multilabel":
            return Answer(_multilabel(chosen, spec, labels))
        case "regression":
            return Answer(_numbers(chosen, labels))
        case "embedding":
            return Answer(_vectors(chosen))
        case "boxes":
            return Answer(_boxes(chosen, spec, labels))
    if spec.activation:
        chosen = _activated(as_array(chosen), spec.activation)
    predictions = read_output(chosen, labels)
    classes, values = read_probabilities(chosen, labels) or (None, None)
    if not spec.top:
        return Answer(predictions, classes, values)
    if classes is None or values is None:
        raise UnfitModelError(
            f"its metadata says output: {{top: {spec.top}}}, and it returned no probabilities"
        )
    best = [
        _top(prediction, classes, row, spec.top) for prediction, row in zip(predictions, values, strict=True)
    ]
    return Answer(best, classes, values)


def _chosen(output: Any, name: str | None) -> Any:
    """Return the output that the metadata names, or all of them."""
    if name is None:
        return output
    if not hasattr(output, "keys") or name not in output:
        names = ", ".join(map(str, output)) if hasattr(output, "keys") else "one without a name"
        raise UnfitModelError(f"its metadata says output: {{name: {name}}}, and the model returned {names}")
    return {name: output[name]}


def _activated(values: Array, activation: str) -> Array:
    """Return probabilities. A single number of a sigmoid is the probability of the second of two classes."""
    if values.dtype.kind != "f":
        raise UnfitModelError(f"the model returned {values.dtype}, to which {activation} cannot be applied")
    numbers = values.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        chances: Array = powers / powers.sum(axis=-1, keepdims=True)
        return chances
    chances = 0.5 * (1 + np.tanh(numbers / 2))  # the sigmoid, without overflow
    if chances.size == len(chances):
        chances = chances.reshape(-1, 1)
        return np.concatenate([1 - chances, chances], axis=1)
    return chances


def _top(prediction: Prediction, classes: Sequence[str], row: Array, count: int) -> Prediction:
    if prediction.error:
        return prediction
    order = np.argsort(-row, kind="stable")[:count]
    best = [{"label": classes[place], "score": round(float(row[place]), DIGITS)} for place in order]
    return prediction._replace(more=((TOP, best),))


def _multilabel(output: Any, spec: OutputSpec, labels: Declared) -> list[Prediction]:
    """Return for each image the labels whose probability reaches their threshold, and the highest of all."""
    values = as_array(output)
    if spec.activation and values.ndim == 2 and values.shape[1] == 1:
        values = _activated(np.hstack([values, values]), "sigmoid")[:, :1]
    elif spec.activation:
        values = _activated(values, "sigmoid")
    if values.ndim != 2 or values.dtype.kind != "f" or (labels and values.shape[1] != len(labels)):
        expected = f"{len(labels)} labels" if labels else "a probability for each label"
        raise UnfitModelError(f"the model returned {values.dtype} {values.shape}, expected {expected}")
    names = [str(label) for label in labels] or [str(number) for number in range(values.shape[1])]
    if bad := next((name for name in names if JOINT in name), None):
        raise UnfitModelError(f"its label {bad!r} has a {JOINT!r}, which separates the labels of an image")
    least = np.array([_least(spec, name) for name in names])
    return [_labels_of(row, names, least) for row in values]


def _least(spec: OutputSpec, name: str) -> float:
    return spec.threshold.get(name, 0.5) if isinstance(spec.threshold, Mapping) else spec.threshold


def _labels_of(row: Array, names: Sequence[str], least: Array) -> Prediction:
    if not np.isfinite(row).all():
        return Prediction(error=f"the model's score is {row[~np.isfinite(row)][0]}")
    reached = sorted(
        (names[place], round(float(row[place]), DIGITS)) for place in np.flatnonzero(row >= least)
    )
    label = JOINT.join(name for name, _ in reached)
    return Prediction(label, round(float(row.max()), DIGITS), more=((LABELS, dict(reached)),))


def _numbers(output: Any, labels: Declared) -> list[Prediction]:
    """Return one number for each image as its score, or several as columns with the names of the labels."""
    values = as_array(output)
    if values.dtype.kind not in "fiu" or values.ndim not in (1, 2) or values.size == 0:
        raise UnfitModelError(
            f"the model returned {values.dtype} {values.shape}, expected a number for each image"
        )
    rows = values.reshape(len(values), -1).astype(float).tolist()
    names = [str(label) for label in labels] or [f"value_{number + 1}" for number in range(len(rows[0]))]
    if len(rows[0]) > 1 and len(names) != len(rows[0]):
        raise UnfitModelError(f"the model has {len(names)} labels, but returned {len(rows[0])} numbers")
    return [_number(row, names) for row in rows]


def _number(row: Sequence[float], names: Sequence[str]) -> Prediction:
    if bad := [value for value in row if not math.isfinite(value)]:
        return Prediction(error=f"the model's score is {bad[0]}")
    if len(row) == 1:
        return Prediction(score=row[0])
    return Prediction(more=tuple(zip(names, row, strict=True)))


def _vectors(output: Any) -> list[Prediction]:
    values = as_array(output)
    if values.dtype.kind != "f" or values.ndim < 2:
        raise UnfitModelError(f"the model returned {values.dtype} {values.shape}, expected vectors")
    vectors = values.reshape(len(values), -1).astype("<f4")
    return [
        Prediction(more=((EMBEDDING, base64.b64encode(vector.tobytes()).decode()),))
        if np.isfinite(vector).all()
        else Prediction(error="the model's vector has values that are not finite")
        for vector in vectors
    ]


def _boxes(output: Any, spec: OutputSpec, labels: Declared) -> list[Prediction]:
    """Return the boxes (left, top, right, bottom) of each image in pixels of the input, best first."""
    images = _images_of(output)
    predictions = []
    for image in images:
        rows = zip(image["boxes"].tolist(), image["labels"].tolist(), image["scores"].tolist(), strict=True)
        found = [
            {"label": label_text(label, labels), "score": round(score, DIGITS), "box": box}
            for box, label, score in rows
            if math.isfinite(score) and all(map(math.isfinite, box))
        ]
        kept = [item for item in found if item["score"] >= _least(spec, str(item["label"]))]
        kept.sort(key=lambda item: -item["score"])
        best = kept[0] if kept else {"label": "", "score": None}
        predictions.append(Prediction(best["label"], best["score"], more=((BOXES, kept),)))
    return predictions


def _images_of(output: Any) -> list[dict[str, Array]]:
    """Return boxes (k, 4), labels (k) and scores (k) of each image, of a list of them or of whole arrays."""
    keys = ("boxes", "labels", "scores")
    try:
        if isinstance(output, Mapping):
            arrays = {key: np.asarray(output[key]) for key in keys}
            images = [{key: arrays[key][place] for key in keys} for place in range(len(arrays["boxes"]))]
        else:
            images = [{key: np.asarray(image[key]) for key in keys} for image in output]
        fits = all(
            image["boxes"].ndim == 2
            and image["boxes"].shape[1] == 4
            and image["boxes"].shape[:1] == image["labels"].shape == image["scores"].shape
            for image in images
        )
    except (KeyError, TypeError, ValueError, IndexError):
        fits = False
    if not fits:
        raise UnfitModelError("the model returned no boxes (k, 4), labels (k) and scores (k) for each image")
    return images
