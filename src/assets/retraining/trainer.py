"""The example's training: a small network for labelled images, saved as an MLflow model.

It is saved with a drift reference. You can replace this module by a training of your own. The README says
what the service needs from a training.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drift_reference
import image_classifier
import numpy as np
from drift_reference import Sample, sample
from image_classifier import Array, ImageClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

VALIDATION = 0.2  # the share of the images that the network does not learn from


@dataclass(frozen=True)
class Settings:
    """The width of the hidden layer, and the greatest number of passes over the images."""

    hidden: int = 64
    iterations: int = 1_000


@dataclass(frozen=True)
class Trained:
    """A network with its metrics on the validation images, and the reference for drift."""

    weights: list[Array]
    labels: list[str]
    metrics: Mapping[str, float]
    reference: Sample
    shape: tuple[int, ...]


def train(images: Array, labels: Sequence[str], settings: Settings, *, data: str) -> Trained:
    """Train on uint8 images (n, height, width, channels). `data` names the data that contains the images."""
    rare = min(Counter(labels).values()) < 2
    learned, validated, truth, validation_truth = train_test_split(
        images, list(labels), test_size=VALIDATION, random_state=0, stratify=None if rare else labels
    )
    network = MLPClassifier((settings.hidden,), max_iter=settings.iterations, random_state=0)
    # With matrices as small as these, several threads only wait for each other.
    with threadpool_limits(1):
        network.fit(learned.reshape(len(learned), -1) / 255, truth)
    weights = [network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1]]
    probabilities = ImageClassifier(weights).predict(validated)
    answers = network.classes_[probabilities.argmax(axis=1)]
    metrics = {
        "accuracy": accuracy_score(validation_truth, answers),
        "f1_macro": f1_score(validation_truth, answers, average="macro"),
        "images": len(images),
    }
    reference = sample(data, images, answers.tolist(), probabilities.max(axis=1).tolist())
    return Trained(weights, network.classes_.tolist(), metrics, reference, images.shape[1:])


def save(trained: Trained, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Save the model in MLflow's format, with a loader of its own that needs only numpy.

    `metadata` says how pictures become its input, and what it was trained on.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *trained.shape))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(trained.labels)))]),
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "weights.npz")
        image_classifier.save_weights(trained.weights, path)
        mlflow.pyfunc.save_model(
            folder,
            loader_module="image_classifier",
            code_paths=[image_classifier.__file__],
            data_path=path,
            signature=signature,
            metadata={"labels": trained.labels, **metadata},
            pip_requirements=["numpy"],
        )
    drift_reference.save(trained.reference, folder)


def log_to_mlflow(trained: Trained, settings: Settings, tags: Mapping[str, str]) -> None:
    """Log settings and metrics to this step's run, and the metrics to the pipeline's run too."""
    import mlflow

    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in tags.items()})
        mlflow.log_params({"hidden": settings.hidden, "iterations": settings.iterations})
        mlflow.log_metrics(dict(trained.metrics))
    if pipeline := run.data.tags.get("mlflow.parentRunId"):
        mlflow.log_metrics(dict(trained.metrics), run_id=pipeline)
