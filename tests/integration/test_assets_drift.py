"""The drift step and the training step as Azure ML calls them, also where something is missing."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measure_drift
import mlflow
import pytest
from drift_reference import sample, save
from examples.digits import images
from examples.digits.images import Digit
from PIL import Image
from rows import Row, format_row
from tests.support.tracking_store import new_tracking_store

ASSETS = Path("src/assets").resolve()
Measure = Callable[[Path], dict[str, Any]]

SUBJECT = {"feed": "digits", "partition": "202611", "version": "202611-1", "generation": "1"}


def run(step: str, script: str, arguments: Sequence[str | Path], **environ: str) -> str:
    """Its output; a failure raises CalledProcessError."""
    included = os.pathsep.join(
        str(ASSETS / name) for name in ("image_scoring", "evaluation", "data_profile", "table_scoring")
    )
    return subprocess.run(
        [sys.executable, script, *arguments],
        cwd=ASSETS / step,
        env=os.environ | {"PYTHONPATH": included} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def arguments(folder: Path) -> list[str]:
    """Return the arguments of the drift step for the month in a folder."""
    places = {key: folder / key for key in ("images", "rows", "manifest", "model", "drift", "profile")}
    given = {**places, "threshold": "0.2", "share": "0.5", **SUBJECT}
    return [str(part) for key, value in given.items() for part in (f"--{key}", value)]


def measured(folder: Path) -> dict[str, Any]:
    """Return drift.json of the month in a folder."""
    result: dict[str, Any] = json.loads((folder / "drift/drift.json").read_text())
    return result


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Return a function that runs the drift step in this process, with MLflow out of reach."""

    def measure(folder: Path) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["measure_drift.py", *arguments(folder)])
        measure_drift.main()
        return measured(folder)

    mlflow.set_tracking_uri(None)  # other tests may have set it
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return measure


def write_month(folder: Path, digits: list[Digit]) -> None:
    """A month that was scored; one of its images is broken, and another has vanished since."""
    images.write(digits, folder / "images")
    (folder / "images" / digits[1].name).unlink()
    rows = [Row(digit.name, digit.label, 0.9, "") for digit in digits]
    rows[0] = Row(digits[0].name, "", None, "not an image")
    (folder / "rows").write_text("".join(f"{format_row(row)}\n" for row in rows))
    (folder / "manifest").write_text("".join(json.dumps({"name": digit.name}) + "\n" for digit in digits))


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    """A dark month, and a model that was trained on bright images."""
    write_month(tmp_path, images.month("202611", 60, **images.DARK))
    model = tmp_path / "model"
    model.mkdir()
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}}]
    (model / "MLmodel").write_text(json.dumps({"signature": {"inputs": json.dumps(tensor)}}))
    pixels, labels = images.training_set()
    save(sample("digits-training:1", pixels, labels.tolist(), [0.95] * len(labels)), model)
    return tmp_path


def test_drift_is_measured_and_shown(partition: Path) -> None:
    store = new_tracking_store(partition)
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("digits", artifact_location=str(partition / "artifacts"))
    pipeline = client.create_run(experiment).info.run_id
    step = client.create_run(experiment, tags={"mlflow.parentRunId": pipeline}).info.run_id

    run(
        "image_scoring",
        "measure_drift.py",
        arguments(partition),
        MLFLOW_TRACKING_URI=store,
        MLFLOW_RUN_ID=step,
    )

    drift = measured(partition)
    assert (drift["measured"], drift["breached"], drift["n"]) == (True, True, 58)
    assert client.get_run(step).data.metrics["drift/brightness"] > 0.9
    assert client.get_run(pipeline).data.metrics == client.get_run(step).data.metrics
    with Image.open(io.BytesIO(Path(client.download_artifacts(step, "drift.png")).read_bytes())) as picture:
        assert min(picture.size) > 200
    profile = json.loads((partition / "profile/profile.json").read_text())
    assert (profile["made"], profile["version"], profile["files"]) == (True, "202611-1", 60)
    assert json.loads(Path(client.download_artifacts(step, "profile.json")).read_text()) == {
        key: value for key, value in profile.items() if key not in SUBJECT
    }


def test_a_measurement_that_cannot_be_shown_is_kept(partition: Path, measure: Measure) -> None:
    drift = measure(partition)

    assert (drift["measured"], drift["breached"]) == (True, True)


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("model/drift_reference.json", "the model has no drift_reference.json"),
        ("model/MLmodel", "it has no MLmodel file: save it with MLflow, or register a folder"),
        ("rows", "FileNotFoundError: "),
    ],
)
def test_what_is_missing_never_fails_the_month(
    partition: Path, measure: Measure, missing: str, why: str
) -> None:
    (partition / missing).unlink()

    drift = measure(partition)

    assert {key: drift[key] for key in SUBJECT} == SUBJECT
    assert (drift["measured"], drift["breached"]) == (False, False)
    assert why in drift["why"]
    assert json.loads((partition / "profile/profile.json").read_text())["made"]


def test_a_month_without_one_good_image_is_not_measured(partition: Path, measure: Measure) -> None:
    (partition / "rows").write_text("")

    assert measure(partition)["why"] == "no image of the partition was scored"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            "digits:202610-1,digits:202611-1",
            "data names 2 sets (digits:202610-1,digits:202611-1), and 1 are given",
        ),
        ("digits:202611-1", "none of the inputs has a labels.csv: digits:202611-1"),
    ],
)
def test_a_training_without_what_it_was_promised_says_so(partition: Path, data: str, why: str) -> None:
    given: list[str | Path] = ["--partition", partition / "images", "--data", data]
    given += ["--model-name", "m", "--signal", "s", "--image-shape", "8x8x1"]
    given += ["--hidden", "2", "--iterations", "1", "--model", partition / "new"]

    with pytest.raises(subprocess.CalledProcessError) as failed:
        run("retraining", "retrain.py", given)

    assert failed.value.output.splitlines()[-1] == f"The data does not fit: {why}"
    assert not (partition / "new").exists()
