"""The scripts that run as command jobs, each as its own process with a real MLflow store."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from decoding import DECODER
from drift_reference import load
from examples.digits.images import TRAINING_DATA, accuracy, holdout_set, month, write
from examples.digits.labelled_sets import write_training
from image_input import Frame, image_input
from image_model import ImageModel
from PIL import Image
from rows import Row, format_row, parse_rows
from score_images import Scorer
from tests.support.tracking_store import new_tracking_store

PUBLISHING = Path("src/assets/image_scoring").resolve()
TRAINING = Path("src/assets/retraining").resolve()
# What train_classifier.yml includes of the others.
INCLUDED = os.pathsep.join(
    str(Path("src/assets", name).resolve()) for name in ("image_scoring", "evaluation")
)

ODD_NAMES = ["a,b.png", 'say "hi".png', "line\nbreak.png", "back\rspace.png", "猫.png", "=1+1.png"]
MANIFEST = [*ODD_NAMES, "broken.png", "doubled.png", "missing.png"]
ROWS = [
    Row("doubled.png", "cat", 0.9, ""),
    *(Row(name, "cat", 0.75, "") for name in ODD_NAMES),
    Row("broken.png", "", None, "not an image"),
    Row("broken.png", "", None, "not an image"),
    Row("doubled.png", "dog", 0.9, ""),
    Row("late.png", "", None, "not in the manifest"),
]


@dataclass(frozen=True)
class Jobs:
    """A finished training and a finished publishing, with what MLflow knows of them."""

    folder: Path
    mlflow: Any
    step: str
    pipeline: str

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def reconciliation(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads((self.predictions / "reconciliation.json").read_text())
        return result


def start(folder: Path, command: Sequence[str | Path], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def publish_command(folder: Path) -> list[str | Path]:
    subject = {"feed": "pets", "partition": "202611", "version": "202611-2", "generation": "1"}
    return [
        "publish_predictions.py",
        *("--rows", folder / "rows.jsonl", "--manifest", folder / "manifest.jsonl"),
        *("--predictions", folder / "predictions", "--max-error-rate", "0.01"),
        *(argument for key, value in subject.items() for argument in (f"--{key}", value)),
    ]


def training_command(folder: Path) -> list[str | Path]:
    subject = {"data": TRAINING_DATA, "model-name": "digit-classifier", "signal": "a person"}
    settings = {"image-shape": "8x8x1", "hidden": "64", "iterations": "1000"}
    return [
        "retrain.py",
        *("--training", folder / "training", "--model", folder / "model"),
        *(argument for key, value in {**subject, **settings}.items() for argument in (f"--{key}", value)),
    ]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    import mlflow

    folder = tmp_path_factory.mktemp("jobs")
    lines = [*map(format_row, ROWS), '["missing.png", "ca']
    (folder / "rows.jsonl").write_text("\n".join(lines))
    (folder / "manifest.jsonl").write_text("".join(json.dumps({"name": name}) + "\n" for name in MANIFEST))
    write_training(folder / "training")
    (folder / "model").mkdir()  # as Azure ML mounts an output
    store = new_tracking_store(folder)
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("pets", artifact_location=str(folder / "artifacts"))
    pipeline = client.create_run(experiment).info.run_id
    step = client.create_run(experiment, tags={"mlflow.parentRunId": pipeline}).info.run_id

    processes = [
        start(PUBLISHING, publish_command(folder), MLFLOW_TRACKING_URI=store, MLFLOW_RUN_ID=step),
        start(
            TRAINING,
            training_command(folder),
            MLFLOW_TRACKING_URI=store,
            MLFLOW_EXPERIMENT_NAME="pets",
            PYTHONPATH=INCLUDED,
        ),
    ]
    for process in processes:
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, output
    return Jobs(folder, client, step, pipeline)


def test_an_incomplete_month_completes_the_job_and_says_what_is_wrong(jobs: Jobs) -> None:
    outcome = jobs.reconciliation()

    assert outcome["verdict"] == "incomplete"
    assert (outcome["missing_names"], outcome["doubled_names"]) == (["missing.png"], ["doubled.png"])
    counts = {key: outcome[key] for key in ("files", "rows", "errors", "repeated", "unlisted", "torn")}
    assert counts == {"files": 9, "rows": 8, "errors": 1, "repeated": 1, "unlisted": 1, "torn": 1}
    assert outcome["worst_errors"] == [{"error": "not an image", "count": 1, "images": ["broken.png"]}]
    assert outcome["decoder"] == DECODER
    assert (outcome["feed"], outcome["version"], outcome["generation"]) == ("pets", "202611-2", "1")


def test_the_csv_brings_every_name_back(jobs: Jobs) -> None:
    with (jobs.predictions / "predictions.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)

    assert header == ["img", "label", "score", "error"]
    assert [row[0] for row in rows] == MANIFEST[:-1]
    assert rows[0] == ["a,b.png", "cat", "0.75", ""]
    assert rows[-2] == ["broken.png", "", "", "not an image"]


def test_the_parquet_holds_the_same_rows_with_nulls(jobs: Jobs) -> None:
    table = pq.read_table(jobs.predictions / "predictions.parquet")

    assert table.column_names == ["img", "label", "score", "error"]
    assert table.column("img").to_pylist() == MANIFEST[:-1]
    assert table.to_pylist()[0] == {"img": "a,b.png", "label": "cat", "score": 0.75, "error": None}
    assert table.to_pylist()[-2] == {
        "img": "broken.png",
        "label": None,
        "score": None,
        "error": "not an image",
    }


def test_mlflow_shows_the_month_on_the_step_and_on_the_pipeline(jobs: Jobs) -> None:
    step, pipeline = (jobs.mlflow.get_run(run).data for run in (jobs.step, jobs.pipeline))

    assert step.metrics["error_rate"] == pytest.approx(1 / 9)
    assert pipeline.metrics == step.metrics
    assert step.tags["tidegate_version"] == "202611-2"


@pytest.mark.parametrize("run", ["step", "pipeline"])
def test_mlflow_shows_a_picture_and_the_summary(jobs: Jobs, run: str) -> None:
    picture, summary = (
        Path(jobs.mlflow.download_artifacts(getattr(jobs, run), name)).read_bytes()
        for name in ("labels.png", "summary.json")
    )

    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (800, 400)
    assert json.loads(summary)["verdict"] == "incomplete"


def test_a_fault_of_the_store_fails_the_job(tmp_path: Path) -> None:
    process = start(PUBLISHING, publish_command(tmp_path))
    output, _ = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "rows.jsonl" in output
    assert not (tmp_path / "predictions").exists()


def test_the_trained_model_takes_images_and_is_better_than_95_percent(jobs: Jobs) -> None:
    mlmodel = yaml.safe_load((jobs.model / "MLmodel").read_text())
    experiment = jobs.mlflow.get_experiment_by_name("pets").experiment_id
    (run,) = jobs.mlflow.search_runs([experiment], "params.hidden = '64'")

    assert image_input(mlmodel).frame == Frame(8, 8, 1, grey=True)
    assert mlmodel["metadata"]["tidegate"]["training_data"] == "digits-training:1"
    assert mlmodel["metadata"]["tidegate"]["decoder"] == DECODER
    assert run.data.metrics["accuracy"] > 0.95
    assert run.data.metrics["f1_macro"] > 0.95


def test_the_trained_model_keeps_what_it_was_trained_on(jobs: Jobs) -> None:
    reference = load(jobs.model)

    assert reference is not None
    assert (reference.data, reference.n) == ("digits-training:1", 1_000)
    assert sum(reference.labels.values()) == len(reference.scores) == 200  # those that it did not learn from


def test_the_trained_model_is_the_same_loaded_by_mlflow(jobs: Jobs) -> None:
    import mlflow.pyfunc

    images, _ = holdout_set()

    probabilities = mlflow.pyfunc.load_model(str(jobs.model)).predict(images)

    predictions = ImageModel(jobs.model).predict(images)
    assert probabilities.shape == (len(images), 10)
    assert [row.label for row in predictions] == [str(best) for best in probabilities.argmax(axis=1)]
    assert [row.score for row in predictions] == pytest.approx(probabilities.max(axis=1), abs=1e-6)


def test_a_month_of_png_files_is_read_right(jobs: Jobs) -> None:
    digits = month("202611", 200)
    write(digits, jobs.folder / "images")
    scorer = Scorer(jobs.folder / "images", [digit.name for digit in digits], ImageModel(jobs.model))

    lines = scorer.score([str(jobs.folder / "images" / digit.name) for digit in digits])

    rows = [row._asdict() for row in parse_rows(lines) if row]
    assert len(rows) == 200
    assert accuracy(rows, digits) > 0.95


def test_a_model_of_mlflows_own_kind_is_scored_too(tmp_path: Path) -> None:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    class Channels(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return np.array([str(image.shape) for image in model_input])

    tensor = TensorSpec(np.dtype(np.uint8), (-1, 4, 6, 3))
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=Channels(),
        signature=ModelSignature(inputs=Schema([tensor])),
        pip_requirements=["numpy"],
    )

    model = ImageModel(tmp_path / "model")

    assert model.frame == Frame(4, 6, 3)
    assert [row.label for row in model.predict(np.zeros((2, 4, 6, 3), dtype=np.uint8))] == ["(4, 6, 3)"] * 2
