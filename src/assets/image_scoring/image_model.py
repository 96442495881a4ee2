"""A model of images for scoring: the input that it takes, and its label and score for each image."""

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from batch_size import first_size, is_out_of_memory, machine_memory
from image_input import image_input
from mlmodel_file import MlmodelError, parse_mlmodel
from model_output import Array, Declared, Prediction
from onnx_description import DESCRIPTION, as_mlmodel
from output_keys import output_spec
from output_kinds import Answer, read_answer
from preprocess_keys import UnfitModelError
from tensors import to_tensor

Images = np.ndarray[Any, np.dtype[np.uint8]]

log = logging.getLogger(__name__)

FILES = ("MLmodel", DESCRIPTION)
MOST_MESSAGE = 1000  # characters of the message of an exception
# These flavors of MLflow take an array, whatever name the signature gives it.
ARRAY_FLAVORS = ("mlflow.pytorch", "mlflow.sklearn")


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the content of the model's MLmodel file, or that of the description of an ONNX model.

    Raise UnfitModelError if it cannot be read.
    """
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        return as_mlmodel(None)
    try:
        content = parse_mlmodel(file.read_bytes())
    except (OSError, MlmodelError) as error:
        raise UnfitModelError(f"its {file.name} cannot be read: {error}") from error
    return as_mlmodel(content) if file.name == DESCRIPTION else content


def find_model(root: Path) -> Path:
    """Return the folder of the model below the folder of an online endpoint."""
    return next((file.parent for name in FILES for file in root.rglob(name)), root)


class _TooManyImagesError(Exception):
    """The memory does not suffice for so many images at a time."""


class ImageModel:
    """A loaded model. `labels` are the labels in the MLmodel file, or empty if the file has no labels.

    `input` says what it takes, `frame` the pixels of it, and `output` what it returns. `declared` has the
    labels with their type: text or integer. `chunk` is the number of images to predict at a time.
    """

    def __init__(self, folder: Path) -> None:
        mlmodel = read_mlmodel(folder)
        self.input = image_input(mlmodel)
        self.frame = self.input.frame
        self.chunk = first_size(self.input, machine_memory())
        self.declared = _declared((mlmodel.get("metadata") or {}).get("labels") or [])
        self.output = output_spec(mlmodel)
        self.labels = [str(label) for label in self.declared]
        flavors = mlmodel.get("flavors") or {}
        if "python_function" not in flavors:
            raise UnfitModelError("the model has no python_function flavor")
        try:
            self._predict = _load(folder, flavors, self.input.name)
        except UnfitModelError:
            raise
        except Exception as error:  # the model's own code may raise anything
            raise UnfitModelError(f"loading the model raised {_one_line(error)}") from error

    def predict(self, images: Images) -> list[Prediction]:
        """Return a prediction for each image of a batch (n, height, width, channels), in the same order."""
        return self.answer(images).predictions

    def answer(self, images: Images) -> Answer:
        """Return the predictions of uint8 images with the probabilities of all classes.

        A model with a fixed batch gets this number of images each time. Its last batch is filled with
        repetitions, whose answers are dropped. Any other model gets `chunk` images at most, which is halved
        if the memory does not suffice.
        """
        answers: list[Answer] = []
        start = 0
        while start < len(images):
            size = self.input.batch or min(self.chunk, len(images) - start)
            try:
                answers.append(self._answer(images[start : start + size], size))
            except _TooManyImagesError:
                self.chunk = size // 2
                log.warning("batch_halved images=%d", self.chunk)
                continue
            start += size
        if len(answers) == 1:
            return answers[0]
        predictions = [prediction for answer in answers for prediction in answer.predictions]
        parts = [answer.probabilities for answer in answers if answer.probabilities is not None]
        probabilities = np.concatenate(parts) if len(parts) == len(answers) else None
        return Answer(predictions, answers[0].classes, probabilities)

    def check_single(self, images: Images) -> None:
        """Raise UnfitModelError if the model treats an image alone differently than among others.

        The last mini-batch of a partition may have a single image.
        """
        together = self.predict(images[:2])[0]
        try:
            alone = self.predict(images[:1])[0]
        except UnfitModelError as error:
            raise UnfitModelError(
                f"for a batch of one image, {error} (does it drop the first dimension, as squeeze() does?)"
            ) from error
        if alone.label != together.label:
            raise UnfitModelError(
                f"it labels an image {alone.label!r} alone, and {together.label!r} in a batch of two:"
                " is it in training mode, or does it normalize over the batch?"
            )

    def _answer(self, images: Images, size: int) -> Answer:
        """Return the answer for at most `size` images, which is how many the model is given."""
        filled = images if len(images) == size else images[np.arange(size) % len(images)]
        try:
            output = self._predict(to_tensor(filled, self.input))
        except Exception as error:  # the model's own code may raise anything
            if self.input.batch is None and size > 1 and is_out_of_memory(error):
                raise _TooManyImagesError from error
            raise UnfitModelError(f"the model's predict raised {_one_line(error)}") from error
        answer = read_answer(output, self.output, self.declared)
        if len(answer.predictions) != size:
            raise UnfitModelError(f"the model returned {len(answer.predictions)} rows for {size} images")
        chances = None if answer.probabilities is None else answer.probabilities[: len(images)]
        return Answer(answer.predictions[: len(images)], answer.classes, chances)


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


def _load(folder: Path, flavors: Mapping[str, Any], name: str | None) -> Callable[[Array], Any]:
    """Return the model's predict function for an array.

    A model with its own loader is loaded as MLflow's storage format defines, but without importing mlflow.
    That import would take seconds in each scoring process.
    https://mlflow.org/docs/latest/python_api/mlflow.pyfunc.html
    """
    flavor = flavors["python_function"]
    loader: str = flavor["loader_module"]
    if loader == "mlflow.onnx":
        from onnx_model import load_onnx

        return load_onnx(folder / flavor.get("data", "model.onnx"), name)
    if loader in ARRAY_FLAVORS or not (loader.startswith("mlflow.") or flavor.get("config")):
        if code := flavor.get("code"):
            sys.path.insert(0, str(folder / code))
        model = importlib.import_module(loader)._load_pyfunc(str(folder / flavor.get("data", "")))
        predict: Callable[[Any], Any] = getattr(model, flavor.get("predict_fn", "predict"))
        named = name is not None and loader not in ARRAY_FLAVORS
    else:
        import mlflow.pyfunc

        predict, named = mlflow.pyfunc.load_model(str(folder)).predict, name is not None
    return (lambda array: predict({name: array})) if named else predict
