"""What runs measured, read through MLflow: what is there, what is not, and what cannot be read for now."""

import os

import mlflow
import pytest
from azure.identity import DefaultAzureCredential

from tidegate.cloud.runs import RunClient
from tidegate.cloud.workspaces import COMPUTE_FOLDER, WorkspaceClients
from tidegate.config.schema import WorkspaceConfig
from tidegate.errors import TransientError
from tidepool.cloud import Tidepool, Workspace


@pytest.fixture
def connection(workspace: Workspace) -> WorkspaceClients:
    config = WorkspaceConfig(
        subscription=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
        name=workspace.name,
    )
    return WorkspaceClients(config, DefaultAzureCredential(), COMPUTE_FOLDER)


@pytest.fixture
def runs(connection: WorkspaceClients) -> RunClient:
    return connection.runs


def a_run(connection: WorkspaceClients, **metrics: float) -> str:
    workspace = connection.client.ml.workspaces.get(connection.config.name)
    mlflow.set_tracking_uri(workspace.mlflow_tracking_uri)
    mlflow.set_experiment("training")
    with mlflow.start_run() as run:
        mlflow.log_metrics(metrics)
    return str(run.info.run_id)


def test_the_newest_value_of_each_metric_is_read(runs: RunClient, connection: WorkspaceClients) -> None:
    run = a_run(connection, accuracy=0.9, loss=float("nan"))

    found = runs.metrics(run)

    assert found["accuracy"] == 0.9
    assert found["loss"] != found["loss"]


def test_a_run_that_is_not_there_measured_nothing(runs: RunClient) -> None:
    assert runs.metrics("nobody") == {}


def test_mlflow_that_is_away_for_now_is_asked_again_later(runs: RunClient, faults: Tidepool) -> None:
    faults.fault("request", "status", value=503, times=None, match={"path": "*/mlflow/*/runs/get"})

    with pytest.raises(TransientError, match="read the metrics of run"):
        runs.metrics("somebody")
