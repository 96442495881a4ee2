"""The training job: a small network for handwritten digits, saved as an MLflow model.

Azure ML registers the output folder as `digit-classifier`.
"""

import argparse
import tempfile
from pathlib import Path

import mlflow
import mlflow.pyfunc
import numpy as np
from images import holdout_set, training_set
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neural_network import MLPClassifier
from training import digit_classifier

SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, 8, 8, 1))]),
    outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 10))]),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--hidden", type=int, default=64)
    args = parser.parse_args()

    images, labels = training_set()
    network = MLPClassifier((args.hidden,), max_iter=1_000, random_state=0)
    network.fit(images.reshape(len(images), -1) / 255, labels)
    weights = [network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1]]
    classifier = digit_classifier.DigitClassifier(weights)

    images, truth = holdout_set()
    predicted = network.classes_[classifier.predict(images).argmax(axis=1)]
    with mlflow.start_run():
        mlflow.log_param("hidden", args.hidden)
        mlflow.log_metric("accuracy", accuracy_score(truth, predicted))
        mlflow.log_metric("f1_macro", f1_score(truth, predicted, average="macro"))
    save(weights, network.classes_.tolist(), args.model)


def save(weights: list[digit_classifier.Array], labels: list[str], folder: Path) -> None:
    """The model in MLflow's format; its loader is our own module, so loading needs numpy only."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "weights.npz")
        digit_classifier.save_weights(weights, path)
        mlflow.pyfunc.save_model(
            folder,
            loader_module="digit_classifier",
            code_paths=[digit_classifier.__file__],
            data_path=path,
            signature=SIGNATURE,
            metadata={"labels": labels},
            pip_requirements=["numpy"],
        )


if __name__ == "__main__":
    main()
