"""Batch endpoints: deployments of models and of pipelines, invoked with the unmodified SDK."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import Input, MLClient, Output, load_component, load_job
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    Job,
    ManagedOnlineEndpoint,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
)
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import HttpResponseError

from tidepool.cloud import Tidepool

SCRIPT = """
    import os, pathlib

    def init():
        global word
        word = (pathlib.Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "word.txt").read_text()

    def run(mini_batch):
        if any("broken" in file for file in mini_batch):
            raise ValueError("a broken file")
        rest = f"{word} {os.environ['GREETING']} {len(mini_batch)}"
        return [f"{pathlib.Path(file).name} {rest}" for file in mini_batch]
"""
MLMODEL = "flavors: {python_function: {loader_module: doubles, code: code}}"
DOUBLES = """
    class Doubles:
        def predict(self, table):
            return 2 * table["x"].to_numpy()

    def _load_pyfunc(path):
        return Doubles()
"""
OWN_OUTPUT = """
    import os, pathlib

    def run(mini_batch):
        for file in mini_batch:
            target = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"]) / f"{pathlib.Path(file).stem}.out"
            target.write_text("done")
            yield True
"""
PIPELINE = """
name: lists_files
version: "1"
type: pipeline
inputs:
  data: {type: uri_folder}
  mode: {type: string, default: quiet}
outputs:
  report: {type: uri_folder}
jobs:
  a:
    type: command
    component:
      type: command
      command: (ls ${{inputs.data}}; echo ${{inputs.mode}}) > ${{outputs.report}}/files.txt
      environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
      inputs: {data: {type: uri_folder}, mode: {type: string}}
      outputs: {report: {type: uri_folder}}
    inputs: {data: "${{parent.inputs.data}}", mode: "${{parent.inputs.mode}}"}
    outputs: {report: "${{parent.outputs.report}}"}
"""


class Batch:
    """A workspace with a batch endpoint, a cluster, and a folder of files to score."""

    def __init__(self, ml: MLClient, cloud: Tidepool, folder: Path) -> None:
        self.ml = ml
        self._cloud = cloud
        self.folder = folder
        ml.compute.begin_create_or_update(
            AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)
        ).result()
        ml.environments.create_or_update(Environment(name="env", version="1", image="python:3.11"))
        ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores")).result()
        self.data = folder / "data"
        self.data.mkdir()
        for name in ("a", "b", "c"):
            (self.data / f"{name}.txt").write_text(name)

    def deploy(self, script: str, name: str = "first", **settings: object) -> None:
        """Deploy a model with a script, and make the deployment the default."""
        code = self.folder / f"code-{name}"
        code.mkdir()
        (code / "score.py").write_text(textwrap.dedent(script))
        (self.folder / "model").mkdir(exist_ok=True)
        (self.folder / "model" / "word.txt").write_text("hello")
        deployment = ModelBatchDeployment(
            name=name,
            endpoint_name="scores",
            model=Model(name="words", version="1", path=str(self.folder / "model")),
            compute="cpu",
            environment="azureml:env:1",
            code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
            settings=ModelBatchDeploymentSettings(**{"mini_batch_size": 10, **settings}),
        )
        self.ml.batch_deployments.begin_create_or_update(deployment).result()
        self.make_default(name)

    def make_default(self, name: str) -> None:
        endpoint = self.ml.batch_endpoints.get("scores")
        endpoint.defaults.deployment_name = name
        self.ml.batch_endpoints.begin_create_or_update(endpoint).result()

    def run(self, **invocation: object) -> Job:
        """Invoke the endpoint, and return its ended job."""
        name = self.ml.batch_endpoints.invoke(endpoint_name="scores", **invocation).name
        self._cloud.settle()
        return self.ml.jobs.get(name)

    def files(self, job: Job, output: str = "score") -> dict[str, str]:
        """Return the texts of the files of an output by their names."""
        target = self.folder / f"download-{job.name}"
        self.ml.jobs.download(job.name, download_path=target, output_name=output)
        return {file.name: file.read_text() for file in target.rglob("*") if file.is_file()}

    def input(self) -> Input:
        return Input(type="uri_folder", path=str(self.data))


@pytest.fixture
def batch(ml: MLClient, tidepool: Tidepool, tmp_path: Path, own_invoke_headers: None) -> Batch:
    return Batch(ml, tidepool, tmp_path)


def test_a_model_deployment_scores_a_folder_with_its_script(batch: Batch) -> None:
    batch.deploy(
        SCRIPT,
        mini_batch_size=2,
        instance_count=1,
        max_concurrency_per_instance=2,
        output_action="append_row",
        output_file_name="rows.csv",
        retry_settings=BatchRetrySettings(max_retries=1, timeout=60),
        environment_variables={"GREETING": "world"},
    )

    job = batch.run(input=batch.input())

    assert job.status == "Completed"
    rows = batch.files(job)["rows.csv"].splitlines()
    assert sorted(rows) == ["a.txt hello world 2", "b.txt hello world 2", "c.txt hello world 1"]
    (step,) = batch.ml.jobs.list(parent_job_name=job.name)
    assert sorted(batch.files(step)["rows.csv"].splitlines()) == sorted(rows)
    listed = [job.name for job in batch.ml.batch_endpoints.list_jobs("scores")]
    assert listed == [job.name]
    assert [job.name for job in batch.ml.batch_deployments.list_jobs("scores", name="first")] == listed


def test_an_endpoint_runs_its_default_deployment(batch: Batch) -> None:
    variables = {"environment_variables": {"GREETING": "first"}}
    batch.deploy(SCRIPT, **variables)
    batch.deploy(SCRIPT, "second", environment_variables={"GREETING": "second"})

    by_default = batch.files(batch.run(input=batch.input()))
    by_name = batch.files(batch.run(input=batch.input(), deployment_name="first"))

    assert "a.txt hello second 3" in by_default["predictions.csv"]
    assert "a.txt hello first 3" in by_name["predictions.csv"]
    with pytest.raises(HttpResponseError, match="is the default deployment"):
        batch.ml.batch_deployments.begin_delete("second", "scores").result()
    with pytest.raises(ValidationException, match="nowhere not found"):
        batch.run(input=batch.input(), deployment_name="nowhere")
    batch.ml.batch_endpoints.begin_delete("scores").result()
    assert list(batch.ml.batch_endpoints.list()) == []


def test_a_script_that_writes_its_own_output_gets_its_folder(batch: Batch) -> None:
    batch.deploy(OWN_OUTPUT, output_action="summary_only")

    files = batch.files(batch.run(input=batch.input()))

    assert files == {"a.out": "done", "b.out": "done", "c.out": "done"}


@pytest.mark.parametrize(("threshold", "status"), [(0, "Failed"), (1, "Completed")])
def test_more_failed_files_than_the_threshold_fail_the_job(batch: Batch, threshold: int, status: str) -> None:
    (batch.data / "broken.txt").write_text("")
    batch.deploy(
        SCRIPT,
        mini_batch_size=1,
        error_threshold=threshold,
        retry_settings=BatchRetrySettings(max_retries=0, timeout=60),
        environment_variables={"GREETING": "world"},
    )

    assert batch.run(input=batch.input()).status == status


@pytest.mark.long
def test_an_mlflow_model_needs_no_script(batch: Batch) -> None:
    (batch.folder / "fitted" / "code").mkdir(parents=True)
    (batch.folder / "fitted" / "MLmodel").write_text(MLMODEL)
    (batch.folder / "fitted" / "conda.yaml").write_text("dependencies: [{pip: [nowhere-to-find==4.2]}]")
    (batch.folder / "fitted" / "code" / "doubles.py").write_text(textwrap.dedent(DOUBLES))
    for file in batch.data.iterdir():
        file.unlink()
    (batch.data / "rows.csv").write_text("x\n1\n2\n3\n")
    deployment = ModelBatchDeployment(
        name="linear",
        endpoint_name="scores",
        model=Model(name="linear", version="1", type="mlflow_model", path=str(batch.folder / "fitted")),
        compute="cpu",
        settings=ModelBatchDeploymentSettings(mini_batch_size=1),
    )
    batch.ml.batch_deployments.begin_create_or_update(deployment).result()
    batch.make_default("linear")

    job = batch.run(input=batch.input())
    rows = batch.files(job)["predictions.csv"].splitlines()
    [step] = batch.ml.jobs.list(parent_job_name=job.name)
    logs = batch.ml.jobs._runs_operations.get_run_details(step.name).log_files

    assert rows == ["0,2,rows.csv", "1,4,rows.csv", "2,6,rows.csv"]
    text = requests.get(logs["azureml-logs/20_image_build_log.txt"], timeout=10).text
    assert "conda.yaml of the model linear:1 is not built" in text
    assert "nowhere-to-find==4.2: not installed" in text


def test_a_pipeline_deployment_takes_literals_and_data(batch: Batch) -> None:
    (batch.folder / "pipeline.yml").write_text(PIPELINE)
    deployment = PipelineComponentBatchDeployment(
        name="lists",
        endpoint_name="scores",
        component=load_component(batch.folder / "pipeline.yml"),
        settings={"default_compute": "cpu", "continue_on_step_failure": False},
    )
    batch.ml.batch_deployments.begin_create_or_update(deployment).result()
    batch.make_default("lists")

    job = batch.run(
        inputs={"data": batch.input(), "mode": Input(type="string", default="loud")},
        outputs={"report": Output(type="uri_folder", mode="upload")},
        job_name="lists-1",
    )

    assert (job.name, job.status) == ("lists-1", "Completed")
    assert batch.files(job, "report")["files.txt"].split() == ["a.txt", "b.txt", "c.txt", "loud"]


def test_a_pipeline_deployment_can_copy_a_job(batch: Batch) -> None:
    job: dict[str, Any] = {
        "type": "pipeline",
        "settings": {"default_compute": "azureml:cpu"},
        "inputs": {"word": "hello"},
        "jobs": {
            "a": {
                "type": "command",
                "command": "echo ${{inputs.word}}",
                "environment": "azureml:env:1",
                "inputs": {"word": "${{parent.inputs.word}}"},
            }
        },
    }

    def run_copy(step: str) -> Job:
        (batch.folder / "job.yml").write_text(json.dumps({**job, "jobs": {step: job["jobs"]["a"]}}))
        source = batch.ml.jobs.create_or_update(load_job(batch.folder / "job.yml"))
        deployment = PipelineComponentBatchDeployment(
            name=f"copies-{step}",
            endpoint_name="scores",
            job_definition=source.name,
            settings={"default_compute": "cpu"},
        )
        batch.ml.batch_deployments.begin_create_or_update(deployment).result()
        batch.make_default(deployment.name)
        return batch.run()

    first, second = run_copy("a"), run_copy("b")  # azure-ai-ml names both components azureml_anonymous:1

    assert (first.status, second.status) == ("Completed", "Completed")
    assert [step.display_name for step in batch.ml.jobs.list(parent_job_name=first.name)] == ["a"]
    assert [step.display_name for step in batch.ml.jobs.list(parent_job_name=second.name)] == ["b"]


def test_what_cannot_run_is_refused(batch: Batch) -> None:
    with pytest.raises(HttpResponseError, match="no default deployment"):
        batch.run(input=batch.input())
    deployment = ModelBatchDeployment(
        name="wrong", endpoint_name="scores", model=Model(path=str(batch.data)), compute="cpu"
    )
    with pytest.raises(HttpResponseError, match="needs a model of type mlflow_model"):
        batch.ml.batch_deployments.begin_create_or_update(deployment).result()


def test_online_and_batch_endpoints_share_their_names(batch: Batch) -> None:
    with pytest.raises(HttpResponseError, match="endpoint name 'scores' is not available"):
        batch.ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="scores")).result()
    batch.ml.batch_endpoints.begin_delete("scores").result()

    batch.ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="scores")).result()

    with pytest.raises(HttpResponseError, match="endpoint name 'scores' is not available"):
        batch.ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores")).result()
    assert [endpoint.name for endpoint in batch.ml.batch_endpoints.list()] == []
