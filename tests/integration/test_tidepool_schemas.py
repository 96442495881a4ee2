"""What Tidepool answers, against Microsoft's public type definitions: every property is Azure's."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient, Output, command
from azure.ai.ml.entities import (
    AmlCompute,
    AzureBlobDatastore,
    CronTrigger,
    Data,
    Environment,
    JobSchedule,
    Model,
    PipelineJob,
)
from azure.identity import DefaultAzureCredential
from tests.support.azure_types import Types, violations

from tidepool.cloud import Tidepool, Workspace

TYPES = Path(__file__).parents[2].parent / "shared/schemas/mls-2025-12-01.types.json"
pytestmark = pytest.mark.skipif(not TYPES.exists(), reason=f"no type definitions at {TYPES}")


@pytest.fixture(scope="module")
def types() -> Types:
    loaded: Types = json.loads(TYPES.read_text())
    return loaded


@pytest.fixture
def resources(tidepool: Tidepool, workspace: Workspace, ml: MLClient, tmp_path: Path) -> dict[str, Any]:
    """One resource of each type, as ARM answers it."""
    (tmp_path / "weights.bin").write_bytes(b"weights")
    images = "azureml://datastores/workspaceblobstore/paths/images"
    ml.datastores.create_or_update(
        AzureBlobDatastore(name="feeds", account_name="data", container_name="images")
    )
    ml.data.create_or_update(Data(name="d", version="1", type="uri_folder", path=images, tags={"a": "b"}))
    ml.models.create_or_update(Model(name="m", version="1", path=str(tmp_path)))
    ml.environments.create_or_update(Environment(name="e", version="1", image="python:3.11"))
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
    step = command(
        name="step",
        command="true",
        environment="e:1",
        compute="cpu",
        outputs={"o": Output(type="uri_folder")},
    )
    component = ml.components.create_or_update(step.component)
    ml.jobs.create_or_update(command(name="one", command="true", environment="e:1", compute="cpu"))
    ml.jobs.create_or_update(PipelineJob(name="many", jobs={"step": step}))
    schedule = JobSchedule(
        name="s", trigger=CronTrigger(expression="0 3 1 * *"), create_job=PipelineJob(jobs={"a": step})
    )
    ml.schedules.begin_create_or_update(schedule).result()
    tidepool.settle()
    paths = {
        "workspaces": "",
        "workspaces/datastores": "/datastores/feeds",
        "workspaces/data": "/data/d",
        "workspaces/data/versions": "/data/d/versions/1",
        "workspaces/models": "/models/m",
        "workspaces/models/versions": "/models/m/versions/1",
        "workspaces/environments/versions": "/environments/e/versions/1",
        "workspaces/components/versions": f"/components/step/versions/{component.version}",
        "workspaces/computes": "/computes/cpu",
        "workspaces/jobs": "/jobs/one",
        "workspaces/jobs (pipeline)": "/jobs/many",
        "workspaces/schedules": "/schedules/s",
    }
    bearer = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    headers = {"Authorization": f"Bearer {bearer}"}
    base = f"https://management.azure.com{workspace.id}"
    return {
        kind: requests.get(f"{base}{path}?api-version=2025-12-01", headers=headers, timeout=10).json()
        for kind, path in paths.items()
    }


def test_every_property_of_an_answer_is_one_that_azure_has(types: Types, resources: dict[str, Any]) -> None:
    bodies = {kind["name"]: kind["body"] for kind in types if kind["$type"] == "ResourceType"}

    unknown_properties = {
        kind: problems
        for kind, answer in resources.items()
        if (
            problems := list(
                violations(
                    types, bodies[f"Microsoft.MachineLearningServices/{kind.split()[0]}@2025-12-01"], answer
                )
            )
        )
    }

    assert unknown_properties == {}
