"""Scoring steps of users: a script with `init()` and `run(mini_batch)`, and a pipeline of their own."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
from tests.support.handler_harness import HandlerHarness
from tests.support.installation import SCORE, Installation

from tidegate.domain.partitions.records import ScoringState
from tidegate.installation.deploy import Deployment
from tidegate.installation.script_pipelines import write_serving_code
from tidegate.messages.commands import CheckPartition

KEYS = {"model": "quick-model", "compute": "cpu", "max_error_rate": 0.5}
SCRIPT = """
import os, pathlib
import words

def init():
    global answer
    (file,) = pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")
    assert file.parent == pathlib.Path(os.environ["TIDEGATE_MODEL"])
    answer = words.read_answer()

def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = pathlib.Path(path).read_text()
        if text == "bad":
            raise ValueError("this file is bad")
        label = f"{answer} {text}"
        rows.append({"file": os.path.basename(path), "label": label, "length": len(text), "box": [1, 2]})
    return rows[::-1]
"""
WORDS = """
import pathlib

def read_answer():
    return (pathlib.Path(__file__).parent / "settings.yml").read_text().strip()
"""
FILES = {"a.txt": "one", "deep/b.txt": "three", "c.txt": "bad"}
OWN = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: own
tags: {tidegate_model: any}
inputs:
  data: {type: uri_folder}
  manifest: {type: uri_file}
  model: {type: mlflow_model}
  max_error_rate: {type: number}
  most: {type: number}
  feed: {type: string}
  partition: {type: string}
  version: {type: string}
  generation: {type: string}
  score_compute: {type: string}
  publish_compute: {type: string}
outputs:
  predictions: {type: uri_folder}
jobs:
  count:
    type: command
    component: ./count.yml
    compute: ${{parent.inputs.score_compute}}
    inputs:
      data: ${{parent.inputs.data}}
      manifest: ${{parent.inputs.manifest}}
      most: ${{parent.inputs.most}}
  publish:
    type: command
    component: azureml:publish_predictions@latest
    compute: ${{parent.inputs.publish_compute}}
    inputs:
      rows: ${{parent.jobs.count.outputs.rows}}
      manifest: ${{parent.inputs.manifest}}
      max_error_rate: ${{parent.inputs.max_error_rate}}
      csv: exact
      feed: ${{parent.inputs.feed}}
      partition: ${{parent.inputs.partition}}
      version: ${{parent.inputs.version}}
      generation: ${{parent.inputs.generation}}
    outputs:
      predictions: ${{parent.outputs.predictions}}
"""
COUNT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: count
is_deterministic: false
inputs:
  data: {type: uri_folder}
  manifest: {type: uri_file}
  most: {type: number}
outputs:
  rows: {type: uri_file}
code: .
environment: azureml:quick:1
command: >-
  python count.py ${{inputs.data}} ${{inputs.manifest}} ${{inputs.most}} ${{outputs.rows}}
"""
COUNT_SCRIPT = """
import json, pathlib, sys
data, manifest, most, rows = sys.argv[1:]
names = [json.loads(line)["name"] for line in pathlib.Path(manifest).read_text().splitlines()]
lengths = {name: len((pathlib.Path(data) / name).read_text()) for name in names}
lines = [{"img": name, "letters": n, "many": n > float(most)} for name, n in lengths.items()]
pathlib.Path(rows).write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


@pytest.fixture
def installation(tidepool: Any, tmp_path: Path) -> Installation:
    """An installation with a script beside its tidegate.yml, after `tidegate deploy`."""
    scoring = tmp_path / "scoring"
    scoring.mkdir()
    (scoring / "score.py").write_text(SCRIPT)
    (scoring / "words.py").write_text(WORDS)
    (scoring / "settings.yml").write_text("yes")
    installation = Installation(tidepool, tmp_path, score={**KEYS, "script": "scoring/score.py"})
    for _ in Deployment(installation.service()).run(["development"]):
        pass
    return installation


def rows_of(installation: Installation, partition: str) -> list[dict[str, Any]]:
    path = f"predictions/stories/{partition}/{partition}-1/g1/predictions.parquet"
    content = bytes(installation.blobstore.download_blob(path).readall())
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


def test_a_script_scores_a_partition_and_answers_the_endpoint_alike(
    installation: Installation, harness: HandlerHarness, tmp_path: Path
) -> None:
    installation.upload("209907", FILES)
    endpoint = Endpoint(installation, tmp_path)

    harness.run(CheckPartition(cause="test", feed="stories", partition="209907"))

    rows = rows_of(installation, "209907")
    generation = harness.ledger.partition("stories", "209907").claims[-1].generation
    assert generation.state is ScoringState.SCORED
    assert {row["img"]: (row["label"], row["length"], row["box"], row["error"]) for row in rows} == {
        "a.txt": ("yes one", 3, "[1, 2]", None),
        "deep/b.txt": ("yes three", 5, "[1, 2]", None),
        "c.txt": (None, None, None, "ValueError: this file is bad"),
    }
    outcome = generation.outcome
    assert outcome is not None
    assert (outcome.files, outcome.errors, outcome.decoder) == (3, 1, None)
    answered = endpoint.ask({"files": {name: encoded(text) for name, text in FILES.items()}})
    assert answered.status_code == 200, answered.text
    online = {row["img"]: row for row in answered.json()}
    assert online.keys() == FILES.keys()
    for row in rows:
        of_endpoint = online[row["img"]]
        assert of_endpoint.get("label") == row["label"]
        assert of_endpoint.get("length") == row["length"]
        assert of_endpoint.get("error") == row["error"]
    refused = endpoint.ask({"file": "a.txt"})
    assert refused.headers["ms-azureml-model-error-statuscode"] == "400"
    assert "base64" in refused.text


@pytest.mark.long
def test_a_pipeline_of_a_user_publishes_with_our_step(
    installation: Installation, harness: HandlerHarness, tmp_path: Path
) -> None:
    from azure.ai.ml import load_component

    own = tmp_path / "own"
    own.mkdir()
    for name, text in {"pipeline.yml": OWN, "count.yml": COUNT, "count.py": COUNT_SCRIPT}.items():
        (own / name).write_text(text)
    installation.ml.components.create_or_update(load_component(own / "pipeline.yml"), version="1")
    installation.configure(score={**SCORE, "pipeline": "own", "inputs": {"most": 3}})
    harness.clock.move(seconds=60)
    installation.upload("209902", FILES)

    harness.run(CheckPartition(cause="test", feed="stories", partition="209902"))

    claim = harness.ledger.partition("stories", "209902").claims[-1]
    assert claim.generation.state is ScoringState.SCORED
    assert {row["img"]: (row["letters"], row["many"]) for row in rows_of(installation, "209902")} == {
        "a.txt": (3, False),
        "deep/b.txt": (5, True),
        "c.txt": (3, False),
    }


def test_the_code_for_an_endpoint_of_a_feed_of_images_is_that_of_batch_scoring(
    installation: Installation, tmp_path: Path
) -> None:
    installation.configure(score={**KEYS, "pipeline": "image_scoring"})

    script = write_serving_code(installation.service(), "stories", tmp_path / "code")

    assert script == "serve_images.py"
    assert {"serve_images.py", "decoding.py", "image_model.py"} <= {
        f.name for f in (tmp_path / "code").iterdir()
    }


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Endpoint:
    """An online endpoint whose deployment has the folder that `tidegate deploy` registers as its code."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, ManagedOnlineEndpoint

        ml, self.name = installation.ml, f"script-{installation.account.name[-8:]}"
        write_serving_code(installation.service(), "stories", folder / "code")
        self.endpoint = ml.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name=self.name)
        ).result()
        ml.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name="blue",
                endpoint_name=self.name,
                model="azureml:quick-model:1",
                environment="azureml:quick:1",
                code_configuration=CodeConfiguration(
                    code=str(folder / "code"), scoring_script="serve_script.py"
                ),
                instance_type="Standard_DS3_v2",
                instance_count=1,
            )
        ).result()
        self.endpoint.traffic = {"blue": 100}
        ml.online_endpoints.begin_create_or_update(self.endpoint).result()
        self.key = ml.online_endpoints.get_keys(self.name).primary_key

    def ask(self, body: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return requests.post(
            str(self.endpoint.scoring_uri), data=json.dumps(body), headers=headers, timeout=60
        )
