"""Environments and serverless compute of jobs, with the unmodified SDK."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient, command, load_job
from azure.ai.ml.entities import Environment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError
from tests.support.azure_clients import registry_client

from tidepool.cloud import Tidepool

CURATED = "azureml://registries/azureml/environments"


@pytest.mark.parametrize(
    "environment",
    [
        f"{CURATED}/sklearn-1.5/labels/latest",
        f"{CURATED}/sklearn-1.5/versions/3",
        "azureml:AzureML-sklearn-1.5@latest",
        "azureml:AzureML-sklearn-1.5:3",
    ],
)
def test_jobs_run_in_curated_environments(ml: MLClient, tidepool: Tidepool, environment: str) -> None:
    job = ml.jobs.create_or_update(command(command="echo hi", environment=environment))
    tidepool.settle()

    assert ml.jobs.get(job.name).status == "Completed"


@pytest.mark.parametrize(
    "environment",
    [
        f"{CURATED}/no-such-thing/labels/latest",
        f"{CURATED}/sklearn-1.5/versions/99999",
        f"{CURATED}/sklearn-1.5/labels/prod",
        "azureml:AzureML-no-such-thing@latest",
        "azureml:AzureML-sklearn-1.5:99999",
        "azureml:AzureML-sklearn-1.5",
    ],
)
def test_a_job_in_an_unknown_curated_environment_is_refused(ml: MLClient, environment: str) -> None:
    with pytest.raises(HttpResponseError, match=r"environment version .* was not found"):
        ml.jobs.create_or_update(command(command="echo hi", environment=environment))


def test_a_pipeline_with_a_step_in_an_unknown_curated_environment_is_refused(
    ml: MLClient, tmp_path: Path
) -> None:
    step = "command: echo hi, environment: azureml:AzureML-no-such-thing@latest, compute: azureml:serverless"
    file = tmp_path / "pipeline.yml"
    file.write_text(f"type: pipeline\njobs:\n  a: {{type: command, {step}}}\n")

    with pytest.raises(HttpResponseError, match=r"environment version .* was not found"):
        ml.jobs.create_or_update(load_job(file))


def test_curated_environments_can_be_read_and_not_changed(ml: MLClient) -> None:
    curated = registry_client("azureml")

    latest = curated.environments.get("sklearn-1.5", label="latest")

    assert latest.image == f"mcr.microsoft.com/azureml/curated/sklearn-1.5:{latest.version}"
    assert "minimal-py311-inference" in [listed.name for listed in curated.environments.list()]
    assert ml.environments.get("AzureML-sklearn-1.5", "3").image.endswith("/sklearn-1.5:3")
    with pytest.raises(HttpResponseError, match="Only Microsoft"):
        curated.environments.create_or_update(Environment(name="mine", version="1", image="python:3.11"))


CONDA = """
dependencies:
  - python=3.8
  - pip:
      - nowhere-to-find==4.2
"""


def test_a_failed_import_names_the_requirement_that_is_not_installed(
    ml: MLClient, tidepool: Tidepool, tmp_path: Path
) -> None:
    (tmp_path / "conda.yml").write_text(CONDA)
    ml.environments.create_or_update(
        Environment(name="mine", version="1", image="python:3.8", conda_file=tmp_path / "conda.yml")
    )
    imports = command(command="python -c 'import nowhere_to_find'", environment="azureml:mine:1")
    name = ml.jobs.create_or_update(imports).name

    with pytest.raises(
        JobException, match=r"requirement nowhere-to-find==4.2 of the environment mine:1 is not"
    ):
        ml.jobs.stream(name)

    ml.jobs.download(name, download_path=tmp_path, all=True)
    (log,) = tmp_path.rglob("std_log.txt")
    (build_log,) = tmp_path.rglob("20_image_build_log.txt")
    assert "tidepool up --environments build" in log.read_text()
    assert "nowhere-to-find==4.2: not installed" in build_log.read_text()


@pytest.mark.parametrize(
    "job",
    [
        {
            "type": "command",
            "compute": "azureml:serverless",
            "resources": {"instance_type": "Standard_DS3_v2"},
        },
        {"type": "command", "compute": "serverless"},
        {"type": "command", "resources": {"instance_type": "Standard_DS3_v2", "instance_count": 1}},
        {"type": "pipeline", "compute": "azureml:serverless"},
        {"type": "pipeline", "settings": {"default_compute": "azureml:serverless"}},
        {"type": "pipeline", "settings": {"default_compute": "serverless"}},
        {
            "type": "pipeline",
            "step": {"compute": "serverless", "resources": {"instance_type": "Standard_E4s_v3"}},
        },
    ],
    ids=str,
)
def test_serverless_jobs_need_no_cluster(
    ml: MLClient, tidepool: Tidepool, tmp_path: Path, job: dict[str, Any]
) -> None:
    run = {"type": "command", "command": "echo hi", "environment": f"{CURATED}/sklearn-1.5/labels/latest"}
    step = {**run, **job.get("step", {})}
    more = {key: value for key, value in job.items() if key != "step"}
    file = tmp_path / "job.yml"
    file.write_text(
        json.dumps({**run, **more} if job["type"] == "command" else {**more, "jobs": {"a": step}})
    )

    name = ml.jobs.create_or_update(load_job(file)).name
    tidepool.settle()

    assert ml.jobs.get(name).status == "Completed"


def test_an_environment_without_a_version_gets_the_next_one_when_it_changes(ml: MLClient) -> None:
    versions = [
        ml.environments.create_or_update(Environment(name="mine", image=image, tags=tags)).version
        for image, tags in (("python:3.10", {}), ("python:3.10", {"same": "content"}), ("python:3.11", {}))
    ]

    assert versions == ["1", "1", "2"]
    assert ml.environments.get("mine", label="latest").image == "python:3.11"
    with pytest.raises(HttpResponseError, match="already registered, with other content"):
        ml.environments.create_or_update(Environment(name="mine", version="1", image="python:3.12"))
