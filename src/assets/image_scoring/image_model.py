"""An MLflow model for scoring: the image shape of its input, and its label and score for each image."""

import importlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mlmodel_file import MlmodelError, parse_mlmodel

Images = np.ndarray[Any, np.dtype[np.uint8]]
Array = np.ndarray[Any, Any]
Declared = Sequence[str | int]  # the labels in an MLmodel file

MOST_MESSAGE = 1000  # characters of the message of an exception
MOST_SHOWN, MOST_KEYS = 60, 10  # characters of a value, and keys of a dictionary, in a message


class UnfitModelError(ValueError):
    """A model that cannot score images. The message is one sentence; its cause has the traceback."""


class ImageShape(NamedTuple):
    """The shape of one image, which is uint8. `name` is the name of the model's tensor, if it has one."""

    height: int
    width: int
    channels: int
    name: str | None = None


class Prediction(NamedTuple):
    """The outcome of one image: a label with its score, or an error."""

    label: str = ""
    score: float | None = None
    error: str = ""


def image_shape(mlmodel: Mapping[str, Any]) -> ImageShape:
    """Return the image shape that the signature of a parsed `MLmodel` file declares.

    The signature must have exactly one input: a uint8 tensor of shape (-1, height, width, 1 or 3). Raise
    UnfitModelError if the signature is different.
    """
    signature = mlmodel.get("signature") or {}
    inputs = json.loads(signature.get("inputs") or "[]")
    tensors = [item for item in inputs if item.get("type") == "tensor"]
    if not tensors:
        raise UnfitModelError("the model has no tensor signature: log it with signature=ModelSignature(...)")
    if len(inputs) != 1:
        raise UnfitModelError(f"the model takes {len(inputs)} inputs, expected one tensor of images")
    spec = tensors[0]["tensor-spec"]
    shape = tuple(spec["shape"])
    fits = len(shape) == 4 and shape[0] == -1 and min(shape[1:3]) > 0 and shape[3] in (1, 3)
    if spec["dtype"] != "uint8" or not fits:
        raise UnfitModelError(
            f"the model takes {spec['dtype']} {shape}, expected uint8 (-1, height, width, 1 or 3):"
            " the model itself must scale the pixels"
        )
    return ImageShape(shape[1], shape[2], shape[3], tensors[0].get("name"))


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the content of the model's MLmodel file. Raise UnfitModelError if it cannot be read."""
    try:
        return parse_mlmodel((folder / "MLmodel").read_bytes())
    except (OSError, MlmodelError) as error:
        raise UnfitModelError(f"its MLmodel file cannot be read: {error}") from error


class ImageModel:
    """A loaded model. `labels` are the labels in the MLmodel file, or empty if the file has no labels.

    `declared` has them with their type: text or integer.
    """

    def __init__(self, folder: Path) -> None:
        mlmodel = read_mlmodel(folder)
        self.shape = image_shape(mlmodel)
        self.declared = _declared((mlmodel.get("metadata") or {}).get("labels") or [])
        self.labels = [str(label) for label in self.declared]
        flavors = mlmodel.get("flavors") or {}
        if "python_function" not in flavors:
            raise UnfitModelError("the model has no python_function flavor")
        try:
            self._predict = _load(folder, flavors["python_function"])
        except Exception as error:  # the model's own code may raise anything
            raise UnfitModelError(f"loading the model raised {_one_line(error)}") from error

    def predict(self, images: Images) -> list[Prediction]:
        """Return a prediction for each image of a batch (n, height, width, channels), in the same order."""
        return self.predict_with_output(images)[0]

    def predict_with_output(self, images: Images) -> tuple[list[Prediction], Any]:
        """Return the predictions of a batch, and the output of the model itself."""
        try:
            output = self._predict({self.shape.name: images} if self.shape.name else images)
        except Exception as error:  # the model's own code may raise anything
            raise UnfitModelError(f"the model's predict raised {_one_line(error)}") from error
        predictions = read_output(output, self.declared)
        if len(predictions) != len(images):
            raise UnfitModelError(f"the model returned {len(predictions)} rows for {len(images)} images")
        return predictions, output


def _declared(labels: Any) -> Declared:
    """Return the labels of an MLmodel file.

    Raise UnfitModelError if they are not a list, or if one occurs twice.
    """
    if not isinstance(labels, list) or len(set(map(str, labels))) != len(labels):
        raise UnfitModelError(
            "metadata.labels of the MLmodel file must be a list in which no label occurs twice"
        )
    return [label if type(label) is int else str(label) for label in labels]


def _one_line(error: Exception) -> str:
    """Return the class and the message of an exception in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:MOST_MESSAGE]}" if message else type(error).__name__


def _load(folder: Path, flavor: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return the model's predict function.

    A model with its own loader is loaded as MLflow's storage format defines, but without importing mlflow.
    That import would take seconds in each scoring process.
    https://mlflow.org/docs/latest/python_api/mlflow.pyfunc.html
    """
    loader: str = flavor["loader_module"]
    if loader.startswith("mlflow.") or flavor.get("config"):
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder)).predict  # type: ignore[no-any-return]
    if code := flavor.get("code"):
        sys.path.insert(0, str(folder / code))
    model = importlib.import_module(loader)._load_pyfunc(str(folder / flavor.get("data", "")))
    return getattr(model, flavor.get("predict_fn", "predict"))  # type: ignore[no-any-return]


def read_output(output: Any, labels: Declared = ()) -> list[Prediction]:
    """Return the output of a model as predictions.

    The output is one of these:
    - a table (DataFrame or dict of arrays) with a column `label` and perhaps a column `score`
    - a list with one dict for each image, which has `label` and perhaps `score`
    - a table of probabilities with one column for each class
    - an array (n, classes) of probabilities; `labels` (`metadata.labels` of the MLmodel file) names the
      classes, and otherwise the number of a class is its name
    - n labels, or a table with one column of labels

    A label is a text, or an integer: the index of one of `labels`, or one of them if they are integers, too.
    Raise UnfitModelError for anything else.
    """
    table = _table(output)
    if isinstance(table, Mapping) and "label" in table:
        return _labelled(_values(table["label"]), table.get("score"), labels)
    if probabilities := read_probabilities(output, labels):
        return _most_probable(*probabilities)
    values = _array(table)
    return _labelled(values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values, None, labels)


def read_probabilities(output: Any, labels: Declared = ()) -> tuple[list[str], Array] | None:
    """Return the classes and their probabilities (n, classes), or None if the output has no probabilities."""
    table = _table(output)
    if isinstance(table, Mapping):
        if "label" in table:
            return None
        if len(table) > 1:
            labels = [_label(column, labels) for column in table]
    values = _array(table)
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    if values.dtype.kind not in "fiu":
        raise UnfitModelError(f"the model returned {values.dtype} for each class, expected probabilities")
    labels = labels or [str(number) for number in range(values.shape[1])]
    if len(labels) != values.shape[1]:
        raise UnfitModelError(f"the model has {len(labels)} labels, but returned {values.shape[1]} classes")
    return [str(label) for label in labels], values


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


def _array(table: Any) -> Array:
    if not isinstance(table, Mapping):
        return _values(table)
    columns = [_values(column) for column in table.values()]
    if len(columns) == 1:
        return columns[0]
    return np.column_stack(columns)


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
    names = [_label(value, labels) for value in values.tolist()]
    if scores is None:
        return [Prediction(name) for name in names]
    try:
        numbers = np.asarray(scores, dtype=float)
    except (TypeError, ValueError) as error:
        raise UnfitModelError(f"the model returned scores that are not numbers: {error}") from error
    if numbers.shape != (len(names),):
        raise UnfitModelError(f"the model returned {len(names)} labels and scores of shape {numbers.shape}")
    return [_checked(name, score) for name, score in zip(names, numbers.tolist(), strict=True)]


def _label(value: Any, labels: Declared) -> str:
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
