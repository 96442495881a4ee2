"""The evaluation step as Azure ML calls it: a process, real models, a real MLflow store."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoding import DECODER
from examples.digits.images import as_png
from PIL import Image
from tests.support.tracking_store import new_tracking_store

from tidegate.domain.jobs.error_messages import describe_error

ASSETS = Path("src/assets").resolve()
LABELS = ("dark", "bright")
TELEPHONES = 80

# Of two models whose modules have the same name, as two versions of one model have.
MODEL = """
import numpy as np

class Threshold:
    def predict(self, images, params=None):
        bright = images.reshape(len(images), -1).mean(axis=1) > {threshold}
        return np.where(bright[:, None], [0.1, 0.9], [0.8, 0.2])

def _load_pyfunc(path):
    return Threshold()
"""


# A model whose own code raises, deep inside.
DEEP_MODEL = """
class Deep:
    def predict(self, images, params=None):
        return down(24)

def down(left):
    if left == 0:
        raise RuntimeError("Input type (unsigned char) and weight type (float)\\nshould be the same")
    return down(left - 1) if left % 2 else across(left - 1)

def across(left):
    return down(left)

def _load_pyfunc(path):
    return Deep()
"""


def save_model(
    folder: Path,
    threshold: int = 0,
    labels: tuple[str, ...] = LABELS,
    code: str = MODEL,
    dtype: str = "uint8",
) -> Path:
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, 8, 8, 1]}}]
    mlmodel = {
        "flavors": {"python_function": {"loader_module": "threshold", "code": "code"}},
        "signature": {"inputs": json.dumps(tensor)},
        "metadata": {"labels": list(labels)},
    }
    (folder / "code").mkdir(parents=True)
    (folder / "code/threshold.py").write_text(code.replace("{threshold}", str(threshold)))
    (folder / "MLmodel").write_text(json.dumps(mlmodel))
    return folder


def save_holdout(folder: Path) -> Path:
    """The champion takes those of grey 120 for dark, as the camera `left` makes them.

    Telephones made one image each: of so many slices there are more figures than MLflow takes at once.
    """
    folder.mkdir()
    lines = ["img,label,camera"]
    for number in range(40 + TELEPHONES):
        grey = (20, 120, 200, 40)[number % 4] if number < 40 else 200
        camera = "left" if grey == 120 else "right" if number < 40 else f"telephone-{number}"
        (folder / f"{number}.png").write_bytes(as_png(np.full((8, 8, 1), grey, dtype=np.uint8)))
        lines.append(f"{number}.png,{LABELS[grey > 100]},{camera}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def evaluate(folder: Path, changes: Mapping[str, str | Path | None] | None = None, **environ: str) -> str:
    """Its output; a failure raises CalledProcessError."""
    given: dict[str, str | Path | None] = {
        "candidate": folder / "candidate",
        "champion": folder / "champion",
        "holdout": folder / "holdout",
        "candidate-name": "lights:2",
        "champion-name": "lights:1",
        "data": "lights-holdout:4",
        "model": "lights",
        "version": "2",
        "evaluation": "1",
        "slice-by": "camera",
        "verdict-evidence": folder / "evidence",
        **(changes or {}),
    }
    arguments = [part for key, value in given.items() if value for part in (f"--{key}", str(value))]
    done = subprocess.run(
        [sys.executable, "evaluate.py", *arguments],
        cwd=ASSETS / "evaluation",
        env=os.environ | {"PYTHONPATH": f"{ASSETS}/image_scoring:{ASSETS}/step_runs"} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


@dataclass(frozen=True)
class Evaluated:
    """An evaluation that ended, and what MLflow knows of it."""

    evidence: dict[str, Any]
    mlflow: Any
    step: str
    pipeline: str


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    save_model(folder / "candidate", threshold=100)
    save_model(folder / "champion", threshold=150)
    save_holdout(folder / "holdout")
    return folder


@pytest.fixture(scope="module")
def evaluated(models: Path) -> Evaluated:
    """As a step of a pipeline, in an MLflow store of its own."""
    import mlflow

    store = new_tracking_store(models)
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("lights", artifact_location=str(models / "artifacts"))
    pipeline = client.create_run(experiment).info.run_id
    step = client.create_run(experiment, tags={"mlflow.parentRunId": pipeline}).info.run_id
    evaluate(models, MLFLOW_TRACKING_URI=store, MLFLOW_RUN_ID=step)
    evidence = json.loads((models / "evidence/evidence.json").read_text())
    return Evaluated(evidence, client, step, pipeline)


def test_evidence_says_what_was_compared_on_what(evaluated: Evaluated) -> None:
    evidence = evaluated.evidence

    assert (evidence["candidate"], evidence["champion"], evidence["data"], evidence["n"]) == (
        "lights:2",
        "lights:1",
        "lights-holdout:4",
        40 + TELEPHONES,
    )
    assert evidence["decoder"] == DECODER


def test_each_model_answers_with_its_own_code(evaluated: Evaluated) -> None:
    accuracy = evaluated.evidence["metrics"]["accuracy"]

    assert accuracy["candidate"]["value"] == 1.0
    assert accuracy["champion"]["value"] == pytest.approx(1 - 10 / (40 + TELEPHONES), abs=1e-6)
    assert accuracy["difference"]["low"] > 0
    assert evaluated.evidence["comparison"]["candidate_only"] == 10


def test_the_slice_shows_where_the_champion_fails(evaluated: Evaluated) -> None:
    slices = evaluated.evidence["slices"]

    assert slices["by"] == "camera"
    assert slices["values"]["left"]["n"] == 10
    assert slices["values"]["left"]["metrics"]["accuracy"]["champion"]["value"] == 0.0
    assert slices["values"]["right"]["metrics"]["accuracy"]["champion"]["value"] == 1.0


def test_mlflow_shows_the_figures_on_the_step_and_on_the_pipeline(evaluated: Evaluated) -> None:
    step, pipeline = (evaluated.mlflow.get_run(run).data for run in (evaluated.step, evaluated.pipeline))

    assert step.metrics["candidate/accuracy"] == 1.0
    assert step.metrics["left/champion/accuracy"] == 0.0
    assert step.metrics["difference/accuracy/low"] > 0
    assert pipeline.metrics == step.metrics
    assert step.tags["tidegate_model"] == "lights"


@pytest.mark.parametrize("run", ["step", "pipeline"])
@pytest.mark.parametrize("name", ["confusion_matrix.png", "metrics.png", "occlusion.png"])
def test_mlflow_shows_a_picture(evaluated: Evaluated, name: str, run: str) -> None:
    picture = Path(evaluated.mlflow.download_artifacts(getattr(evaluated, run), name)).read_bytes()

    with Image.open(io.BytesIO(picture)) as image:
        assert min(image.size) > 200


def test_more_slices_than_mlflow_takes_at_once_are_evaluated(evaluated: Evaluated) -> None:
    assert len(evaluated.evidence["slices"]["values"]) == 2 + TELEPHONES
    assert len(evaluated.mlflow.get_run(evaluated.step).data.metrics) > 1_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"slice-by": "weather"}, "has no column 'weather'; it has img, label, camera"),
        ({"holdout": "elsewhere"}, "there is no labels.csv"),
        ({"candidate": "stranger"}, "the labels of the set are bright, dark; the model knows cat, dog"),
    ],
)
def test_a_holdout_that_does_not_fit_fails_the_job_and_says_why(
    models: Path, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    save_model(tmp_path / "stranger", threshold=1, labels=("cat", "dog"))
    places = {key: tmp_path / text if key != "slice-by" else text for key, text in changes.items()}

    with pytest.raises(subprocess.CalledProcessError) as failed:
        evaluate(models, {"verdict-evidence": tmp_path / "evidence", **places})

    last = failed.value.output.splitlines()[-1]
    assert last.startswith("The holdout does not fit: ")
    assert reason in last
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        (
            {"code": DEEP_MODEL},
            "candidate",
            "the candidate cannot be evaluated: the model's predict raised RuntimeError: "
            "Input type (unsigned char) and weight type (float) should be the same",
        ),
        (
            {"code": "def _load_pyfunc(path):\n    raise KeyError('weights')"},
            "champion",
            "the champion cannot be evaluated: loading the model raised KeyError: 'weights'",
        ),
        (
            {"dtype": "float32"},
            "candidate",
            "the candidate cannot be evaluated: it takes float32 (-1, 8, 8, 1), and does not say how pixels "
            "become float32: add preprocess to its metadata, such as preprocess: {preset: imagenet}, or "
            "preprocess: {scale: 1/255} for values from 0 to 1",
        ),
        (
            {"code": "import os\nos._exit(9)"},
            "candidate",
            "the candidate cannot be evaluated: its process was killed, perhaps because the memory of the "
            "node was used up",
        ),
    ],
    ids=["predict", "load", "signature", "killed"],
)
def test_a_model_that_does_not_fit_fails_the_job_with_one_sentence(
    models: Path, tmp_path: Path, model: dict[str, str], changes: str, reason: str
) -> None:
    save_model(tmp_path / "unfit", **model)  # type: ignore[arg-type]

    with pytest.raises(subprocess.CalledProcessError) as failed:
        evaluate(models, {"verdict-evidence": tmp_path / "evidence", changes: tmp_path / "unfit"})

    message = (
        f"Execution failed. User process exited with status code 1. Error: {failed.value.output[-4000:]}"
    )
    assert describe_error(message) == f"The model does not fit: {reason}"
    assert not (tmp_path / "evidence").exists()
