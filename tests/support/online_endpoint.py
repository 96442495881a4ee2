"""An online endpoint for one test, whose deployments multiply numbers by a factor."""

import json
from pathlib import Path
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)

SCRIPT = """
import json, os, pathlib

def init():
    global weights
    (file,) = pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weights.json")
    weights = json.loads(file.read_text())
    print("weights are", weights, os.environ.get("NOTE", ""))

def run(text):
    given = json.loads(text)
    if given.get("die"):
        os._exit(3)
    if given.get("fail"):
        raise ValueError("these numbers do not fit")
    return [weights["factor"] * number for number in given["numbers"]]
"""
NUMBERS = {"numbers": [1, 2]}


class OnlineEndpoint:
    """The endpoint `digits`, which is made at once; Tidepool does not use the environment's image."""

    def __init__(self, ml: MLClient, folder: Path, **more: Any) -> None:
        self.ml = ml
        self.name = "digits"
        self._folder = folder
        self._http = requests.Session()
        self.script = folder / "code" / "score.py"
        self.script.parent.mkdir()
        self.script.write_text(SCRIPT)
        ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
        made = ml.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name=self.name, **more)
        ).result()
        self.id, self.uri = str(made.id), str(made.scoring_uri)

    def model(self, factor: int) -> Model:
        """Register the model `factors` in the version that is its factor."""
        folder = self._folder / f"model-{factor}"
        folder.mkdir(exist_ok=True)
        (folder / "weights.json").write_text(json.dumps({"factor": factor}))
        return self.ml.models.create_or_update(Model(name="factors", version=str(factor), path=str(folder)))

    def deployment(self, name: str, factor: int = 1, **more: Any) -> ManagedOnlineDeployment:
        self.model(factor)
        fields = {
            "model": f"azureml:factors:{factor}",
            "environment": "azureml:plain:1",
            "code_configuration": CodeConfiguration(code=str(self.script.parent), scoring_script="score.py"),
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
        }
        return ManagedOnlineDeployment(name=name, endpoint_name=self.name, **{**fields, **more})

    def begin(self, deployment: ManagedOnlineDeployment) -> Any:
        return self.ml.online_deployments.begin_create_or_update(deployment)

    def deploy(self, name: str, factor: int = 1, **more: Any) -> ManagedOnlineDeployment:
        return self.begin(self.deployment(name, factor, **more)).result()

    def route(self, mirror: dict[str, int] | None = None, **traffic: int) -> None:
        endpoint = self.ml.online_endpoints.get(self.name)
        endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
        self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def ask(
        self, body: Any = NUMBERS, deployment: str | None = None, key: str | None = None
    ) -> requests.Response:
        held = key or self.ml.online_endpoints.get_keys(self.name).primary_key
        headers = {"Authorization": f"Bearer {held}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        return self._http.post(self.uri, json=body, headers=headers, timeout=30)
