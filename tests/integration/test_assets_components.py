"""The YAML that `tidegate deploy` registers, read by the real SDK."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, Output, load_component, load_compute, load_environment, load_job
from azure.ai.ml.entities import PipelineJob

ASSETS = Path("src/assets")
PIPELINE = ASSETS / "image_scoring/pipeline.yml"


def asset(path: str) -> str:
    return f"azureml://datastores/workspaceblobstore/paths/{path}"


def scoring_job() -> PipelineJob:
    inputs: dict[str, Any] = {
        "data": Input(type="uri_folder", path="azureml:digits:202611-1"),
        "manifest": Input(type="uri_file", path=asset("manifests/digits/202611-1.jsonl")),
        "model": Input(type="mlflow_model", path="azureml:digit-classifier:1"),
        "max_error_rate": 0.01,
        "feed": "digits",
        "partition": "202611",
        "version": "202611-1",
        "generation": "1",
        "score_compute": "gpu-lowpri",
        "publish_compute": "cpu",
    }
    folder = asset("predictions/digits/202611/202611-1/g1/")
    outputs = {
        "predictions": Output(type="uri_folder", path=folder),
        "drift": Output(type="uri_folder", path=f"{folder}drift/"),
        "profile": Output(type="uri_folder", path=f"{folder}profile/"),
    }
    return PipelineJob(component="azureml:image_scoring:1", inputs=inputs, outputs=outputs)


def spec(path: Path) -> dict[str, Any]:
    rest: dict[str, Any] = load_component(path)._to_rest_object().as_dict()
    result: dict[str, Any] = rest["properties"]["componentSpec"]
    return result


COMPONENTS = [
    *(file for pipeline in ASSETS.glob("*/pipeline.yml") for file in pipeline.parent.glob("*.yml")),
    *ASSETS.glob("data_profile/*.yml"),
]


@pytest.mark.parametrize("path", sorted(COMPONENTS), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_component_is_valid(path: Path) -> None:
    result = load_component(path)._validate()

    assert result.passed, result.error_messages


STEPS = [file for file in COMPONENTS if file.name != "pipeline.yml"]


@pytest.mark.parametrize("path", sorted(STEPS), ids=lambda path: path.stem)
def test_no_step_is_ever_reused(path: Path) -> None:
    assert spec(path)["is_deterministic"] is False


def test_the_job_binds_every_input_and_output_that_the_pipeline_declares() -> None:
    job = scoring_job()
    declared = spec(PIPELINE)

    assert job._validate().passed
    assert set(job.inputs) == {name for name, one in declared["inputs"].items() if "default" not in one} | {
        "max_error_rate"
    }
    assert set(job.outputs) == set(declared["outputs"])


def test_each_step_runs_on_the_cluster_that_the_submitter_names() -> None:
    steps = spec(PIPELINE)["jobs"]

    assert steps["score_images"]["computeId"] == "${{parent.inputs.score_compute}}"
    assert steps["publish_predictions"]["computeId"] == "${{parent.inputs.publish_compute}}"


def test_a_failed_mini_batch_fails_the_step() -> None:
    assert spec(ASSETS / "image_scoring/score_images.yml")["mini_batch_error_threshold"] == 0


@pytest.mark.parametrize("path", sorted((ASSETS / "compute").glob("*.yml")), ids=lambda path: path.stem)
def test_a_cluster_costs_nothing_while_nothing_runs(path: Path) -> None:
    cluster = load_compute(path)

    assert (cluster.name, cluster.min_instances) == (path.stem, 0)
    assert cluster.tier == ("low_priority" if "lowpri" in path.stem else "dedicated")


def test_the_environment_pins_what_jobs_were_tested_with() -> None:
    lock = tomllib.loads(Path("uv.lock").read_text())
    project = next(package for package in lock["package"] if package["name"] == "tidegate")
    groups = project["dev-dependencies"]
    jobs = {dependency["name"] for group in ("jobs", "many") for dependency in groups[group]}
    locked = {(package["name"], package["version"]) for package in lock["package"] if package["name"] in jobs}
    environment = load_environment(ASSETS / "environments/scoring.yml")
    *_, pip = environment.conda_file["dependencies"]

    pinned = {tuple(re.sub(r"\[.*\]", "", line).split("==")) for line in pip["pip"]}

    assert {name for name, _ in pinned} >= jobs
    # Held back by azureml-dataset-runtime, or needed by Azure's runner only.
    assert {name for name, _ in pinned - locked} == {
        "azureml-core",
        "azureml-dataset-runtime",
        "numpy",
        "pyarrow",
    }


def test_the_environment_for_gpus_has_the_same_versions() -> None:
    files = [ASSETS / "environments" / name for name in ("scoring.yml", "optional/scoring-gpu.yml")]
    pins = [set(load_environment(file).conda_file["dependencies"][-1]["pip"]) for file in files]

    assert pins[0] < pins[1]
    assert all("==" in pin for pin in pins[1])


def test_the_training_job_registers_its_model() -> None:
    job = load_job("examples/digits/training.yml")

    assert job._validate().passed
    assert (job.outputs.model.type, job.outputs.model.name) == ("mlflow_model", "digit-classifier")
