"""Managed online endpoints, through the unmodified SDK: provisioned, asked for predictions, watched."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)

from tidepool.cloud import Tidepool

SCRIPT = """
import json, os, pathlib, sys

def init():
    global weights
    (file,) = pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weights.json")
    weights = json.loads(file.read_text())
    print("weights are", weights)

def run(text):
    given = json.loads(text)
    if given.get("die"):
        os._exit(3)
    if given.get("fail"):
        raise ValueError("these numbers do not fit")
    return {"scores": [weights["factor"] * one for one in given["numbers"]], "pid": os.getpid()}
"""


class Served:
    """An endpoint of a test's own, with deployments that multiply by a factor."""

    def __init__(self, ml: MLClient, tidepool: Tidepool, folder: Path) -> None:
        self.ml = ml
        self.tidepool = tidepool
        self.name = "digits"
        self._folder = folder
        (folder / "code").mkdir()
        (folder / "code" / "score.py").write_text(SCRIPT)
        ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
        ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=self.name)).result()

    @property
    def id(self) -> str:
        return str(self.ml.online_endpoints.get(self.name).id)

    def deployment(self, name: str, factor: int = 1, **more: Any) -> ManagedOnlineDeployment:
        folder = self._folder / f"model-{factor}"
        folder.mkdir(exist_ok=True)
        (folder / "weights.json").write_text(json.dumps({"factor": factor}))
        self.ml.models.create_or_update(Model(name="factors", version=str(factor), path=str(folder)))
        return ManagedOnlineDeployment(
            name=name,
            endpoint_name=self.name,
            model=f"azureml:factors:{factor}",
            environment="azureml:plain:1",
            code_configuration=CodeConfiguration(code=str(self._folder / "code"), scoring_script="score.py"),
            instance_type="Standard_DS3_v2",
            instance_count=1,
            **more,
        )

    def deploy(self, name: str, factor: int = 1, **more: Any) -> ManagedOnlineDeployment:
        wanted = self.deployment(name, factor, **more)
        return self.ml.online_deployments.begin_create_or_update(wanted).result()

    def route(self, mirror: dict[str, int] | None = None, **traffic: int) -> None:
        endpoint = self.ml.online_endpoints.get(self.name)
        endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
        self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def ask(self, body: Any, deployment: str | None = None, key: str | None = None) -> requests.Response:
        endpoint = self.ml.online_endpoints.get(self.name)
        held = key or self.ml.online_endpoints.get_keys(self.name).primary_key
        headers = {"Authorization": f"Bearer {held}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        return requests.post(endpoint.scoring_uri, json=body, headers=headers, timeout=30)


@pytest.fixture
def served(ml: MLClient, tidepool: Tidepool, tmp_path: Path) -> Served:
    return Served(ml, tidepool, tmp_path)


def test_a_deployment_answers_by_its_script(served: Served, tmp_path: Path) -> None:
    served.deploy("blue", 2)
    served.route(blue=100)
    request = tmp_path / "request.json"
    request.write_text('{"numbers": [1, 2]}')

    said = served.ml.online_endpoints.invoke(served.name, request_file=str(request))

    assert json.loads(said)["scores"] == [2, 4]
    assert "weights are {'factor': 2}" in served.ml.online_deployments.get_logs("blue", served.name, lines=50)
