"""MLflow with a workspace: the unmodified azureml-mlflow, in a script and in jobs."""

import asyncio
import contextlib
import os
import sqlite3
import textwrap
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import AmlCompute, Environment
from azure.identity import DefaultAzureCredential
from tests.support.azure_clients import ml_client

from tidepool import default_resources
from tidepool.cloud import Tidepool, Workspace
from tidepool.forking.processes import ForkedProcesses
from tidepool.tracking.server import MlflowServer, template

TRAIN = """
    import mlflow, numpy
    from sklearn.linear_model import LogisticRegression
    from mlflow.models import infer_signature

    inputs = numpy.array([[0.0], [1.0], [2.0], [3.0]])
    model = LogisticRegression().fit(inputs, [0, 0, 1, 1])
    # No run is active yet.
    mlflow.sklearn.log_model(model, name="first", pip_requirements=["scikit-learn"])
    mlflow.log_param("rows", len(inputs))
    mlflow.log_metric("accuracy", 0.75)
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(inputs),
        registered_model_name="steps",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
"""


@pytest.fixture
def ml(workspace: Workspace) -> Iterator[MLClient]:
    client = ml_client(workspace.name)
    mlflow.set_tracking_uri(client.workspaces.get(workspace.name).mlflow_tracking_uri)
    yield client
    mlflow.set_tracking_uri(None)
    os.environ.pop(
        "MLFLOW_EXPERIMENT_ID", None
    )  # set_experiment leaves it for all processes that start later


@pytest.fixture
def tracked(ml: MLClient) -> mlflow.MlflowClient:
    return mlflow.MlflowClient()


def _train(ml: MLClient, folder: Path) -> str:
    (folder / "train.py").write_text(textwrap.dedent(TRAIN))
    cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)
    ml.compute.begin_create_or_update(cluster).result()
    ml.environments.create_or_update(Environment(name="env", version="1", image="python"))
    job = command(
        code=str(folder),
        command="python train.py",
        environment="azureml:env:1",
        compute="cpu",
        experiment_name="training",
    )
    return str(ml.jobs.create_or_update(job).name)


@pytest.fixture
def logged_models(tidepool: Tidepool) -> Iterator[None]:
    """Let Tidepool answer MLflow 3's logged models during the test."""
    tidepool.accept_logged_models()
    yield
    tidepool.accept_logged_models(False)


@pytest.mark.usefixtures("logged_models")
def test_a_job_logs_metrics_artifacts_and_a_registered_model_under_its_own_name(
    tidepool: Tidepool, ml: MLClient, tracked: mlflow.MlflowClient, tmp_path: Path
) -> None:
    name = _train(ml, tmp_path)

    tidepool.settle()

    assert ml.jobs.get(name).status == "Completed", ml.jobs.stream(name)
    run = tracked.get_run(name)
    assert (run.data.metrics, run.data.params["rows"], run.info.status) == (
        {"accuracy": 0.75},
        "4",
        "FINISHED",
    )
    experiment = tracked.get_experiment_by_name("training")
    assert [run.info.run_id for run in tracked.search_runs([experiment.experiment_id])] == [name]
    assert "model/MLmodel" in [file.path for file in tracked.list_artifacts(name, "model")]
    assert "first/MLmodel" in [file.path for file in tracked.list_artifacts(name, "first")]
    assert Path(tracked.download_artifacts(name, "notes/hello.txt")).read_text() == "hello"
    model = ml.models.get("steps", "1")
    assert (model.type, model.job_name) == ("mlflow_model", name)
    assert "sklearn" in model.flavors
    registered = [
        event for event in tidepool.events if event.get("eventType", "").endswith("ModelRegistered")
    ]
    assert registered[-1]["data"]["ModelName"] == "steps"
    assert [model.name for model in tracked.search_registered_models()] == ["steps"]
    loaded = mlflow.pyfunc.load_model("models:/steps/1")
    assert loaded.predict(np.array([[3.0]])).tolist() == [1]


@pytest.mark.long
def test_jobs_of_one_name_in_two_workspaces_have_runs_of_their_own(
    tidepool: Tidepool, ml: MLClient, production_workspace: Workspace
) -> None:
    other = ml_client(production_workspace.name)
    uris = [client.workspaces.get(client.workspace_name).mlflow_tracking_uri for client in (ml, other)]
    for number, client in enumerate((ml, other)):
        client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
        client.environments.create_or_update(Environment(name="env", version="1", image="python"))
        log = f"import mlflow; mlflow.log_metric('number', {number}); mlflow.set_tag('x', 't{number}')"
        job = command(
            name="same-name", command=f'python -c "{log}"', environment="azureml:env:1", compute="cpu"
        )
        client.jobs.create_or_update(job)
        mlflow.MlflowClient(tracking_uri=uris[number]).search_experiments()
    tidepool.settle()

    runs = [mlflow.MlflowClient(tracking_uri=uri).get_run("same-name") for uri in uris]
    second = mlflow.MlflowClient(tracking_uri=uris[1])
    experiments = [experiment.experiment_id for experiment in second.search_experiments()]
    by_id = second.search_runs(experiments, "attributes.run_id = 'same-name'")
    second.set_tag("same-name", "later", "yes")

    assert [run.data.metrics for run in runs] == [{"number": 0.0}, {"number": 1.0}]
    assert [run.data.tags["x"] for run in runs] == ["t0", "t1"]
    for run, client in zip(runs, (ml, other), strict=True):
        assert (run.info.run_id, run.info.status) == ("same-name", "FINISHED")
        assert f"/workspaces/{client.workspace_name}/" in run.info.artifact_uri
        assert run.info.artifact_uri.endswith("/same-name/artifacts")
    assert [run.info.run_id for run in by_id] == ["same-name"]
    assert [point.value for point in second.get_metric_history("same-name", "number")] == [1.0]
    assert "later" in second.get_run("same-name").data.tags
    assert "later" not in mlflow.MlflowClient(tracking_uri=uris[0]).get_run("same-name").data.tags


def _twice(model_input: list[float]) -> list[float]:
    return [2 * number for number in model_input]


def test_logged_models_are_refused_as_in_azure_and_the_older_calls_register_a_model(
    ml: MLClient, tracked: mlflow.MlflowClient, tmp_path: Path
) -> None:
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=_twice, pip_requirements=["mlflow"])

    mlflow.set_experiment("older calls")
    with mlflow.start_run() as run:
        with pytest.raises(mlflow.MlflowException, match=r"logged-models failed with error code 404 != 200"):
            mlflow.pyfunc.log_model(name="new", python_model=_twice, pip_requirements=["mlflow"])
        mlflow.log_artifacts(str(tmp_path / "model"), "model")
        mlflow.register_model(mlflow.get_artifact_uri("model"), "twice")

    assert [file.path for file in tracked.list_artifacts(run.info.run_id)] == ["model"]
    assert ml.models.get("twice", "1").job_name == run.info.run_id
    assert mlflow.pyfunc.load_model("models:/twice/1").predict([2.0]) == [4.0]


def test_a_script_tracks_its_own_experiments_and_runs(tracked: mlflow.MlflowClient, tmp_path: Path) -> None:
    mlflow.set_experiment("by hand")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_metrics({"loss": 0.5}, step=1)
        mlflow.log_metrics({"loss": 0.25}, step=2, synchronous=False).wait()
        mlflow.set_tag("team", "tide")
        (tmp_path / "note.txt").write_text("note")
        mlflow.log_artifact(str(tmp_path / "note.txt"))

    history = tracked.get_metric_history(run.info.run_id, "loss")
    runs = tracked.search_runs(
        [run.info.experiment_id], filter_string="metrics.loss < 1 and tags.team = 'tide'"
    )

    assert [metric.value for metric in history] == [0.5, 0.25]
    assert [run.info.run_id for run in runs] == [run.info.run_id]
    assert [file.path for file in tracked.list_artifacts(run.info.run_id)] == ["note.txt"]


@pytest.mark.parametrize("audience", [None, "https://storage.azure.com/.default"])
def test_a_request_without_a_token_for_azure_ml_is_refused(
    workspace: Workspace, audience: str | None
) -> None:
    token = DefaultAzureCredential().get_token(audience).token if audience else None
    url = f"https://{default_resources.LOCATION}.api.azureml.ms/mlflow/v2.0{workspace.id}/api/2.0/mlflow/experiments/search"

    answer = requests.post(url, json={}, headers={"Authorization": f"Bearer {token}"} if token else {})

    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_an_operation_of_the_registry_that_is_not_emulated_is_refused_with_its_name(
    workspace: Workspace,
) -> None:
    token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token
    url = f"https://{default_resources.LOCATION}.api.azureml.ms/mlflow/v2.0{workspace.id}/api/2.0/mlflow"

    answer = requests.post(
        f"{url}/registered-models/alias", json={}, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 501
    assert "registered-models/alias" in answer.json()["error"]["message"]


def test_workspaces_do_not_see_each_others_experiments(
    tracked: mlflow.MlflowClient, production_workspace: Workspace
) -> None:
    tracked.create_experiment("here")
    elsewhere = mlflow.get_tracking_uri().rpartition("/")[0] + f"/{production_workspace.name}"

    other = mlflow.MlflowClient(tracking_uri=elsewhere)

    assert tracked.get_experiment_by_name("here") is not None
    assert other.get_experiment_by_name("here") is None


def test_new_databases_are_copies_of_one_without_experiments_and_runs(
    tidepool: Tidepool, tracked: mlflow.MlflowClient
) -> None:
    tracked.search_experiments()
    [database] = tidepool.data_dir.rglob("mlflow.db")

    def rows(file: Path, query: str) -> list[tuple[str]]:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            return connection.execute(query).fetchall()

    assert rows(template(), "select name from experiments") == [("Default",)]
    assert rows(template(), "select run_uuid from runs") == []
    for query in ("select version_num from alembic_version", "select name from sqlite_master order by name"):
        assert rows(template(), query) == rows(database, query)


@pytest.mark.long
def test_an_idle_mlflow_server_ends_and_the_next_request_starts_it(tmp_path: Path) -> None:
    async def use() -> bool:
        server = MlflowServer(folder=tmp_path, log_file=tmp_path / "log", forks=ForkedProcesses(), idle_s=0.5)
        await server.ensure()
        while server.ready:
            await asyncio.sleep(0.05)
        await server.ensure()
        was_ready = server.ready
        await server.stop()
        return was_ready

    assert asyncio.run(use())
