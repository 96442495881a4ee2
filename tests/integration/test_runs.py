"""What runs measured, read through MLflow: what is there, what is not, and what cannot be read for now."""

import os

import mlflow
import pytest
from azure.identity import DefaultAzureCredential

from tidegate.cloud.runs import RunClient
from tidegate.cloud.workspaces import COMPUTE_FOLDER, WorkspaceClients
from tidegate.config.workspaces import WorkspaceConfig
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


def a_run(connection: WorkspaceClients, histories: dict[str, list[tuple[int, float]]]) -> str:
    """Return a run that logged each metric at these steps, in this order."""
    workspace = connection.client.ml.workspaces.get(connection.config.name)
    mlflow.set_tracking_uri(workspace.mlflow_tracking_uri)
    mlflow.set_experiment("training")
    with mlflow.start_run() as run:
        for name, history in histories.items():
            for step, value in history:
                mlflow.log_metric(name, value, step=step)
    return str(run.info.run_id)


NAN, INFINITY = float("nan"), float("inf")
# For each metric: its history as (step, value), and the value that a rule on it is checked with.
HISTORIES: dict[str, tuple[list[tuple[int, float]], float | None]] = {
    "once": ([(0, 0.9)], 0.9),
    "negative": ([(0, -0.5)], -0.5),
    "per_step": ([(0, 0.5), (1, 0.7), (2, 0.6)], 0.6),
    "steps_out_of_order": ([(5, 0.9), (1, 0.1)], 0.9),
    "same_step_twice": ([(3, 0.4), (3, 0.8)], 0.8),
    "not_a_number": ([(0, NAN)], None),
    "infinite": ([(0, INFINITY)], None),
    "minus_infinite": ([(0, -INFINITY)], None),
    "diverged_at_last": ([(0, 0.9), (1, INFINITY)], None),
    "nan_at_last": ([(0, 0.9), (1, NAN)], None),
    "recovered": ([(0, INFINITY), (1, NAN), (2, 0.8)], 0.8),
    "large": ([(0, 1e300)], 1e300),
}


def test_the_value_at_the_last_step_counts_and_only_if_it_is_a_finite_number(
    runs: RunClient, connection: WorkspaceClients
) -> None:
    run = a_run(connection, {name: history for name, (history, _) in HISTORIES.items()})

    assert runs.metrics(run) == {name: value for name, (_, value) in HISTORIES.items()}


def test_a_run_that_is_not_there_measured_nothing(runs: RunClient) -> None:
    assert runs.metrics("nobody") == {}


def test_mlflow_that_is_away_for_now_is_asked_again_later(runs: RunClient, faults: Tidepool) -> None:
    faults.fault("request", "status", value=503, times=None, match={"path": "*/mlflow/*/runs/get"})

    with pytest.raises(TransientError, match="read the metrics of run"):
        runs.metrics("somebody")
