"""Clients of Azure while it does not answer: each gives up soon, with an error that is tried again later."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from tests.support.payloads import blob_event

from tidegate.bootstrap import Service
from tidegate.cloud.connection import CONNECTION_TIMEOUT_S, READ_TIMEOUT_S
from tidegate.cloud.copies import BlobCopyClient
from tidegate.cloud.credential import ServiceCredential
from tidegate.cloud.ledger import tidegate_tables
from tidegate.cloud.notification_sender import EventPublisher, NotificationSender
from tidegate.cloud.queue import tidegate_queues
from tidegate.cloud.workspaces import COMPUTE_FOLDER, WorkspaceClients
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.domain.activities.channel_texts import Message
from tidegate.domain.assets import DataAsset
from tidegate.domain.lifecycle.file_copy import Folder
from tidegate.errors import TransientError
from tidegate.messages.commands import Reconcile
from tidepool.cloud import Tidepool, Workspace

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOPIC = "https://tidegate-events.japaneast-1.eventgrid.azure.net/api/events"
ASSET = DataAsset(name="a", version="1", path="azureml://datastores/d/paths/x/", description="", tags={})
FOLDER = Folder("stimages", "images", "a")
LONGEST_S = (CONNECTION_TIMEOUT_S, READ_TIMEOUT_S)

WORKSPACE_CALLS: dict[str, Callable[[WorkspaceClients], object]] = {
    "read a data asset": lambda clients: clients.assets.data_tags("a", "1"),
    "register a data asset": lambda clients: clients.assets.register_data(ASSET),
    "find the newest model": lambda clients: clients.assets.newest_model("m"),
    "tag a model": lambda clients: clients.assets.tag_model("m", "1", {"a": "b"}),
    "read an MLmodel file": lambda clients: clients.assets.mlmodel("m", "1"),
    "find a pipeline": lambda clients: clients.assets.newest_pipeline("p"),
    "find a cluster": lambda clients: clients.computes.is_ready("gpu-lowpri"),
    "read a file": lambda clients: clients.datastores.read("workspaceblobstore", "x"),
    "write a file": lambda clients: clients.datastores.write("workspaceblobstore", "x", []),
    "find an endpoint": lambda clients: clients.endpoints.get("e"),
    "delete a deployment": lambda clients: clients.endpoints.delete_deployment("e", "d"),
    "read a log": lambda clients: clients.endpoints.log_tail("e", "d", 10),
    "look for a job": lambda clients: clients.jobs.exists("j"),
    "read a job's inputs": lambda clients: clients.jobs.input_data("j"),
    "read a job": lambda clients: clients.jobs.get("j"),
    "read the states of jobs": lambda clients: clients.jobs.statuses(["j"]),
    "read metrics": lambda clients: clients.runs.metrics("r"),
    "attach a file": lambda clients: clients.runs.attach("r", "e", "n", b""),
    "list models": lambda clients: clients.models.newest("m", 3),
    "find a model": lambda clients: clients.models.find("m", "1"),
    "find a model in a registry": lambda clients: clients.models.find("m", "1", registry="tidepool-registry"),
    "read endpoint metrics": lambda clients: clients.endpoint_metrics.figures(
        "/subscriptions/s/d", NOW - timedelta(minutes=5), NOW
    ),
    "send a scoring request": lambda clients: clients.scoring_client.send("e", "d", b"{}"),
}
SERVICE_CALLS: dict[str, Callable[[Service], object]] = {
    "send a command": lambda service: service.queue.send(Reconcile(cause="test")),
    "list queues": lambda service: tidegate_queues(service.settings.storage_account, service.credential),
    "read the ledger": lambda service: service.ledger.partitions("digits"),
    "list tables": lambda service: tidegate_tables(service.settings.storage_account, service.credential),
    "list files": lambda service: service.feeds.listing(service.config().feeds["digits"].storage, ""),
    "keep an event": lambda service: service.rejected.keep("e.json", "{}"),
    "compare files": lambda service: BlobCopyClient(credential=service.credential).list_files(FOLDER),
    "publish an event": lambda service: EventPublisher(endpoint=TOPIC, credential=service.credential).publish(
        "T", id="1", subject="s", data={}
    ),
}


@pytest.fixture
def timeouts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Return a list to which the time-outs of each HTTP request of this process are added."""
    used: list[tuple[float, float]] = []
    send = HTTPAdapter.send

    def watched(adapter: HTTPAdapter, request: Any, **options: Any) -> Any:
        used.append(options["timeout"])
        return send(adapter, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", watched)
    return used


@pytest.fixture
def away(faults: Tidepool) -> Iterator[None]:
    """Cut the connection of every request, without an answer."""
    faults.fault("request", "timeout", value=0, times=None)
    yield
    faults.clear_faults()


@pytest.fixture
def clients(workspace: Workspace) -> WorkspaceClients:
    config = WorkspaceConfig(
        subscription=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
        name=workspace.name,
    )
    return WorkspaceClients(config, ServiceCredential(), COMPUTE_FOLDER)


def test_every_call_to_a_workspace_gives_up_soon_and_can_be_repeated(
    clients: WorkspaceClients, away: None, timeouts: list[tuple[float, float]]
) -> None:
    for name, call in WORKSPACE_CALLS.items():
        with pytest.raises(TransientError):
            pytest.fail(f"{name} returned {call(clients)!r}")

    assert_short(timeouts)


def test_every_call_to_storage_and_topics_gives_up_soon_and_can_be_repeated(
    service: Service, away: None, timeouts: list[tuple[float, float]]
) -> None:
    for name, call in SERVICE_CALLS.items():
        with pytest.raises(TransientError):
            pytest.fail(f"{name} returned {call(service)!r}")
    problem = NotificationSender().send("jsons://mailbox.tidepool/x", Message("title", "text"))

    assert problem == "the channel did not accept the message"
    assert_short(timeouts)


def test_an_event_is_refused_within_five_seconds_while_the_queue_hangs(
    service: Service, faults: Tidepool, timeouts: list[tuple[float, float]]
) -> None:
    service.queue.send(Reconcile(cause="test"))  # it gets the token, which later events need no more
    queue = f"{service.settings.storage_account}.queue.*"
    faults.fault("request", "timeout", value=0, times=None, match={"host": queue})
    timeouts.clear()

    with pytest.raises(TransientError):
        service.inbox.accept(json.dumps([blob_event("202611/a.png")]))

    assert len(timeouts) == 2
    assert sum(connecting + reading for connecting, reading in timeouts) <= 5


def assert_short(timeouts: list[tuple[float, float]]) -> None:
    assert timeouts
    assert not [pair for pair in timeouts if pair[0] > LONGEST_S[0] or pair[1] > LONGEST_S[1]]
