"""The registered pipelines on Tidepool, as the service submits them: trained, scored, measured, judged."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import requests
import trainer
import yaml
from azure.ai.ml import Input, Output, load_component, load_compute, load_environment, load_job
from azure.ai.ml.entities import (
    CodeConfiguration,
    Data,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    PipelineJob,
)
from decoding import DECODER
from examples.digits import images, labelled_sets
from tests.support.azure_clients import blob_service, ml_client

from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ASSETS = Path("src/assets")
IMAGE_SCORING = ASSETS / "image_scoring"
PLACE = "azureml://datastores/workspaceblobstore/paths/results"
SUBJECT = {"feed": "digits", "partition": "202611", "version": "202611-1", "generation": "1"}
MONTH = images.month("202611", 60, **images.DARK)


@dataclass
class PipelineRunner:
    """A workspace with what `tidegate deploy` registers, and the example's data."""

    cloud: Tidepool
    ml: "MLClient"
    folder: Path

    def deploy(self) -> None:
        self.ml.compute.begin_create_or_update(load_compute(ASSETS / "compute/cpu.yml")).result()
        self.ml.environments.create_or_update(load_environment(ASSETS / "environments/scoring.yml"))
        for name in ("image_scoring", "evaluation", "retraining"):
            self.ml.components.create_or_update(load_component(ASSETS / name / "pipeline.yml"), version="1")

    def train(self) -> None:
        """Register a model, which this process trains with the code of the training step."""
        pixels, labels = images.training_set()
        answers = [str(label) for label in labels]
        trained = trainer.train(pixels, answers, trainer.Settings(iterations=40), data=images.TRAINING_DATA)
        lineage = {"model": "digit-classifier", "decoder": DECODER}
        trainer.save(trained, self.folder / "model", {"tidegate": lineage})
        self.ml.models.create_or_update(
            Model(name="digit-classifier", version="1", type="mlflow_model", path=self.folder / "model")
        )

    def arrive(self) -> None:
        """A dark month, of which somebody labelled 40 images."""
        partition = self.folder / "partition"
        images.write(MONTH, partition)
        (partition / "labels.csv").write_text(images.labels_csv(MONTH[:40]))
        self.ml.data.create_or_update(
            Data(name="digits", version="202611-1", type="uri_folder", path=partition)
        )
        manifest = self.folder / "manifest.jsonl"
        manifest.write_text("".join(json.dumps({"name": digit.name}) + "\n" for digit in MONTH))
        self.ml.data.create_or_update(Data(name="manifest", version="1", type="uri_file", path=manifest))

    def submit(self, pipeline: str, inputs: Mapping[str, Any], outputs: Mapping[str, Output]) -> str:
        clusters = {"image_scoring": ("score", "publish"), "evaluation": ("evaluation",)}
        computes = {f"{word}_compute": "cpu" for word in clusters.get(pipeline, ("train",))}
        job = PipelineJob(
            component=self.ml.components.get(pipeline, "1").id,
            inputs={**inputs, **computes},
            outputs=dict(outputs),
        )
        return str(self.ml.jobs.create_or_update(job).name)

    def wait(self, *jobs: str) -> None:
        self.cloud.settle(300)
        for job in jobs:
            if self.ml.jobs.get(job).status != "Completed":
                for step in self.ml.jobs.list(parent_job_name=job):
                    self.ml.jobs.stream(step.name)  # raises with the error of a step that failed
                raise AssertionError(f"{job} did not complete")

    def output(self, name: str, file: str) -> dict[str, Any]:
        """A JSON file of a finished job's output."""
        result: dict[str, Any] = json.loads(self.content(name, file))
        return result

    def content(self, name: str, file: str) -> bytes:
        store = self.ml.datastores.get("workspaceblobstore")
        blob = blob_service(store.account_name).get_blob_client(
            store.container_name, f"results/{name}/{file}"
        )
        return blob.download_blob().readall()

    def serve(self) -> "ImageEndpoint":
        """Serve version 1 of the model with the code of batch scoring."""
        name, code = "digits", CodeConfiguration(code=str(IMAGE_SCORING), scoring_script="serve_images.py")
        self.ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
        self.ml.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name="blue",
                endpoint_name=name,
                model="azureml:digit-classifier:1",
                environment=self.ml.environments.get("tidegate-scoring", label="latest").id,
                code_configuration=code,
                instance_type="Standard_DS3_v2",
                instance_count=1,
            )
        ).result()
        uri = str(self.ml.online_endpoints.get(name).scoring_uri)
        return ImageEndpoint(uri, str(self.ml.online_endpoints.get_keys(name).primary_key))


@dataclass(frozen=True)
class ImageEndpoint:
    """An online endpoint that takes pictures."""

    uri: str
    key: str

    def ask(self, **body: Any) -> requests.Response:
        """Send a request to its only deployment. `body` is what `requests.post` takes."""
        headers = {"Authorization": f"Bearer {self.key}", "azureml-model-deployment": "blue"}
        headers |= body.pop("headers", {})
        return requests.post(self.uri, headers=headers, timeout=60, **body)


def model(version: str) -> Input:
    return Input(type="mlflow_model", path=f"azureml:digit-classifier:{version}")


def folder(reference: str) -> Input:
    return Input(type="uri_folder", path=f"azureml:{reference}")


def place(name: str) -> Output:
    return Output(type="uri_folder", path=f"{PLACE}/{name}/")


@pytest.fixture(scope="module")
def runner(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> PipelineRunner:
    """A workspace with a model that was trained in a hurry, and a month that arrived."""
    runner = PipelineRunner(
        tidepool, ml_client(tidepool.create_workspace().name), tmp_path_factory.mktemp("pipelines")
    )
    runner.deploy()
    runner.train()
    runner.arrive()
    return runner


@pytest.fixture(scope="module")
def labelled(runner: PipelineRunner) -> None:
    """Register the labelled sets of the example."""
    labelled_sets.register(runner.ml)


@pytest.fixture(scope="module")
def scored(runner: PipelineRunner) -> PipelineRunner:
    """After the job that scores the month."""
    scoring = {
        "data": folder("digits:202611-1"),
        "manifest": Input(type="uri_file", path="azureml:manifest:1"),
        "model": model("1"),
        **SUBJECT,
    }
    outputs = {"predictions": place("partition"), "drift": place("drift")}

    runner.wait(runner.submit("image_scoring", scoring, outputs))
    return runner


def test_a_dark_month_is_scored_and_its_drift_is_measured_beside(scored: PipelineRunner) -> None:
    drift = scored.output("drift", "drift.json")

    assert scored.output("partition", "reconciliation.json")["verdict"] == "ok"
    assert {key: drift[key] for key in SUBJECT} == SUBJECT
    assert (drift["measured"], drift["breached"], drift["n"]) == (True, True, 60)
    assert drift["reference"] == images.TRAINING_DATA
    assert drift["features"]["brightness"]["drifted"]


@pytest.mark.long
@pytest.mark.usefixtures("labelled")
def test_a_model_without_a_champion_is_evaluated_alone(runner: PipelineRunner) -> None:
    evaluation = {
        "candidate": model("1"),
        "holdout": folder(images.HOLDOUT_DATA),
        "candidate_name": "digit-classifier:1",
        "data": images.HOLDOUT_DATA,
        "slice_by": "light",
        **{"model": "digit-classifier", "version": "1", "evaluation": "1"},
    }

    runner.wait(runner.submit("evaluation", evaluation, {"verdict_evidence": place("evidence")}))

    evidence = runner.output("evidence", "evidence.json")

    assert (evidence["candidate"], evidence["champion"]) == ("digit-classifier:1", None)
    assert (evidence["n"], set(evidence["slices"]["values"])) == (297, {"day", "night"})
    assert evidence["metrics"]["accuracy"]["champion"] is None
    slices = {
        name: part["metrics"]["accuracy"]["candidate"] for name, part in evidence["slices"]["values"].items()
    }
    assert slices["night"]["value"] < slices["day"]["value"]


@pytest.mark.long
@pytest.mark.usefixtures("labelled")
def test_the_model_trained_anew_is_registered_with_what_it_learned_from(runner: PipelineRunner) -> None:
    anew = {
        "training": folder(images.TRAINING_DATA),
        "partition_1": folder("digits:202611-1"),
        "data": f"{images.TRAINING_DATA},digits:202611-1",
        **{"model_name": "digit-classifier", "signal": "drift-202611", "iterations": 40},
        "preprocess": "{resize: 10, crop: center}",
    }

    runner.wait(
        runner.submit("retraining", anew, {"model": Output(type="mlflow_model", name="digit-classifier")})
    )

    found = runner.ml.models.get("digit-classifier", label="latest")
    runner.ml.models.download("digit-classifier", found.version, download_path=runner.folder / "anew")
    (mlmodel,) = (runner.folder / "anew").rglob("MLmodel")
    metadata = yaml.safe_load(mlmodel.read_text())["metadata"]
    reference = json.loads((mlmodel.parent / "drift_reference.json").read_text())

    assert found.type == "mlflow_model"
    assert metadata["preprocess"] == {"resize": 10, "crop": "center"}
    assert metadata["tidegate"] == {
        "decoder": DECODER,
        "model": "digit-classifier",
        "signal": "drift-202611",
        "training_data": f"{images.TRAINING_DATA}, digits:202611-1",
    }
    assert len(reference["features"]["brightness"]) == 1_040


@pytest.mark.long
@pytest.mark.usefixtures("labelled")
def test_the_training_job_of_the_example_registers_a_model(runner: PipelineRunner) -> None:
    training = load_job("examples/digits/training.yml", params_override=[{"inputs.iterations": 40}])
    before = len(list(runner.ml.models.list("digit-classifier")))

    runner.wait(str(runner.ml.jobs.create_or_update(training).name))

    assert len(list(runner.ml.models.list("digit-classifier"))) == before + 1


def test_an_online_endpoint_answers_pictures_as_batch_scoring_publishes_them(scored: PipelineRunner) -> None:
    published = pq.read_table(io.BytesIO(scored.content("partition", "predictions.parquet"))).to_pylist()
    endpoint, first = scored.serve(), MONTH[0]
    coded = {digit.name: base64.encodebytes(digit.png).decode() for digit in MONTH}
    table = {"columns": ["image"], "index": list(coded), "data": list(coded.values())}
    png = {"Content-Type": "image/png"}

    answers = [
        endpoint.ask(json={"files": coded}),
        endpoint.ask(json={"input_data": table}),
        endpoint.ask(files=[("image", (digit.name, digit.png)) for digit in MONTH]),
    ]
    single = endpoint.ask(data=first.png, headers=png)
    broken = endpoint.ask(data=b"no picture", headers=png)
    refused = endpoint.ask(json={"pixels": [1, 2]})

    for answer in answers:
        assert sorted(answer.json(), key=lambda row: row["img"]) == published
    (alone,) = [row for row in published if row["img"] == first.name]
    assert single.json() == [alone | {"img": "0"}]
    assert broken.json() == [{"img": "0", "label": None, "score": None, "error": "not an image"}]
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "send a picture as image/*" in refused.json()["error"]
