"""What an image model returns: labels, probabilities, or both, in each form that models have."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from preprocess_keys import UnfitModelError

Array = np.ndarray[Any, Any]
Declared = Sequence[str | int]  # the labels in an MLmodel file

MOST_SHOWN, MOST_KEYS = 60, 10  # characters of a value, and keys of a dictionary, in a message


class Prediction(NamedTuple):
    """The outcome of one image: a label with its score, or an error. `more` has further columns."""

    label: str = ""
    score: float | None = None
    error: str = ""
    more: tuple[tuple[str, Any], ...] = ()


def read_output(output: Any, labels: Declared = ()) -> list[Prediction]:
    """Return the output of a model as predictions.

    The output is one of these:
    - a table (DataFrame or dict of arrays) with a column `label` and perhaps a column `score`
    - a list with one dict for each image, which has `label` and perhaps `score`
    - two outputs of scikit-learn's classifiers in ONNX: labels, and a probability for each class
    - a table of probabilities with one column for each class
    - an array (n, classes) of probabilities; `labels` (`metadata.labels` of the MLmodel file) names the
      classes, and otherwise the number of a class is its name
    - n labels, or a table with one column of labels

    A label is a text, or an integer: the index of one of `labels`, or one of them if they are integers, too.
    Raise UnfitModelError for anything else.
    """
    table = _table(output)
    if found := _labels_and_probabilities(table):
        return _labelled(found[0], found[1].max(axis=1), labels)
    if isinstance(table, Mapping) and "label" in table:
        return _labelled(_values(table["label"]), table.get("score"), labels)
    if probabilities := read_probabilities(output, labels):
        return _most_probable(*probabilities)
    values = as_array(table)
    return _labelled(values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values, None, labels)


def read_probabilities(output: Any, labels: Declared = ()) -> tuple[list[str], Array] | None:
    """Return the classes and their probabilities (n, classes), or None if the output has no probabilities."""
    table = _table(output)
    if found := _labels_and_probabilities(table):
        return _classes_of(found, labels)
    if isinstance(table, Mapping):
        if "label" in table:
            return None
        if len(table) > 1:
            labels = [label_text(column, labels) for column in table]
    values = as_array(table)
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    if values.dtype.kind not in "fiu":
        raise UnfitModelError(f"the model returned {values.dtype} for each class, expected probabilities")
    labels = labels or [str(number) for number in range(values.shape[1])]
    if len(labels) != values.shape[1]:
        raise UnfitModelError(f"the model has {len(labels)} labels, but returned {values.shape[1]} classes")
    return [str(label) for label in labels], values


def _labels_and_probabilities(table: Any) -> tuple[Array, Array, list[Any]] | None:
    """Return labels, probabilities (n, classes) and classes, if a model of two outputs returns exactly these.

    scikit-learn's classifiers in ONNX return them as an array, or as a dictionary for each image (ZipMap).
    The list of classes is empty if the output does not name them.
    """
    if not isinstance(table, Mapping) or len(table) != 2:
        return None
    first, second = table.values()
    if isinstance(second, list) and second and isinstance(second[0], Mapping):
        classes = list(second[0])
        values = np.array([[row[name] for name in classes] for row in second], dtype=float)
    else:
        classes, values = [], _values(second)
    labels = _values(first)
    fits = labels.ndim == 1 and labels.dtype.kind in "iuUSO" and values.ndim == 2 and values.dtype.kind == "f"
    return (labels, values, classes) if fits and len(labels) == len(values) else None


def _classes_of(found: tuple[Array, Array, list[Any]], labels: Declared) -> tuple[list[str], Array] | None:
    """Return the classes of such outputs with the probabilities, or None if nothing names the classes."""
    _, values, classes = found
    if classes:
        return [label_text(name, labels) for name in classes], values
    return ([str(label) for label in labels], values) if len(labels) == values.shape[1] else None


def _table(output: Any) -> Any:
    """Return a DataFrame or a list of dicts as a mapping of its columns, and any other output unchanged."""
    if hasattr(output, "columns"):
        return {column: output[column].to_numpy() for column in output.columns}
    rows = output.tolist() if isinstance(output, np.ndarray) and output.dtype == object else output
    if not (isinstance(rows, list) and rows and isinstance(rows[0], Mapping)):
        return output
    columns = list(rows[0])
    if not all(isinstance(row, Mapping) and list(row) == columns for row in rows):
        raise UnfitModelError("the model returned dictionaries with different keys")
    if "label" not in columns:
        keys = ", ".join(map(str, columns[:MOST_KEYS])) or "no keys"
        raise UnfitModelError(f"the model returned dictionaries with {keys}, expected label and score")
    return {column: [row[column] for row in rows] for column in columns}


def as_array(output: Any) -> Array:
    """Return the values of a model's only output, or columns of numbers side by side."""
    table = _table(output)
    if not isinstance(table, Mapping):
        return _values(table)
    columns = {str(name): _values(column) for name, column in table.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    if any(column.ndim != 1 for column in columns.values()):
        shown = " and ".join(
            f"{name} {column.dtype} {column.shape}" for name, column in list(columns.items())[:MOST_KEYS]
        )
        raise UnfitModelError(
            f"the model returned {len(columns)} outputs, {shown}: name the one to use in its metadata,"
            f" as in output: {{name: {next(iter(columns))}}}"
        )
    return np.column_stack(list(columns.values()))


def _values(output: Any) -> Array:
    """Return an array. Lists whose rows have different lengths or types become an array of objects."""
    if hasattr(output, "to_numpy"):
        return np.asarray(output.to_numpy())
    if isinstance(output, list | tuple) and any(
        isinstance(item, str | bytes | bool | None) for item in output
    ):
        # Numpy would convert a list of 1, True and "a" to texts.
        values = np.empty(len(output), dtype=object)
        values[:] = output
        return values
    try:
        return np.asarray(output)
    except ValueError as error:  # rows of different lengths
        raise UnfitModelError(f"the model returned no array: {error}") from error


def _labelled(values: Array, scores: Any, labels: Declared) -> list[Prediction]:
    if values.ndim != 1:
        raise UnfitModelError(
            f"the model returned {values.dtype} {values.shape}, "
            "expected labels, or a probability for each class"
        )
    names = [label_text(value, labels) for value in values.tolist()]
    if scores is None:
        return [Prediction(name) for name in names]
    try:
        numbers = np.asarray(scores, dtype=float)
    except (TypeError, ValueError) as error:
        raise UnfitModelError(f"the model returned scores that are not numbers: {error}") from error
    if numbers.shape != (len(names),):
        raise UnfitModelError(f"the model returned {len(names)} labels and scores of shape {numbers.shape}")
    return [_checked(name, score) for name, score in zip(names, numbers.tolist(), strict=True)]


def label_text(value: Any, labels: Declared) -> str:
    """Return the text of a label.

    Bytes are UTF-8. Of two labels, False is the first and True the second. Raise UnfitModelError for a value
    that is no label, such as a float.
    """
    value = value.item() if isinstance(value, np.generic) else value
    match value:
        case str() if value:
            return value
        case bytes() if value:
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise UnfitModelError("the model returned bytes as a label that are not UTF-8") from error
        case bool() if len(labels) in (0, 2):
            return str(labels[value]) if labels else str(value)
        case int() if not isinstance(value, bool):
            return _class(value, labels)
    shown = f"{type(value).__name__} {str(value)[:MOST_SHOWN]!r}"
    raise UnfitModelError(
        f"the model returned {shown} as a label, expected labels, or a probability for each class"
    )


def _class(number: int, labels: Declared) -> str:
    """Return the label of an integer: the number itself, or the label with this index."""
    if not labels or (number in labels and all(type(label) is int for label in labels)):
        return str(number)
    if 0 <= number < len(labels) and not all(type(label) is int for label in labels):
        return str(labels[number])
    raise UnfitModelError(f"the model returned class {number}, and metadata.labels has {len(labels)} labels")


def _most_probable(labels: Sequence[str], values: Array) -> list[Prediction]:
    best = values.argmax(axis=1)
    scores = values[np.arange(len(values)), best]
    return [_checked(labels[index], float(score)) for index, score in zip(best, scores, strict=True)]


def _checked(label: str, score: float) -> Prediction:
    if not math.isfinite(score):
        return Prediction(error=f"the model's score is {score}")
    return Prediction(label, round(score, 6))
