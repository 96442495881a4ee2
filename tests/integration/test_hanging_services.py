"""While other services hang, events and the timer are answered. The real app in Tidepool's Functions host."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import config_yaml
from tests.support.azure_clients import queue_client
from tests.support.event_grid import deliver
from tests.support.package import app_folder
from tests.support.payloads import blob_event, learning_event
from tests.support.sample_site import described, wait_until

from tidegate.messages.commands import JudgeModel
from tidegate.messages.queue_messages import to_message
from tidepool.cloud import Site, StorageAccount, Tidepool, Workspace
from tidepool.events.retries import NEVER_AGAIN_FOR_WEBHOOKS

HANGS_S = 90  # much longer than any answer here takes, so that an answer shows that nothing waited
AT_ONCE = 5  # at least: the host receives more messages while newBatchThreshold (4) or fewer are carried out


@pytest.fixture
def app(
    faults: Tidepool, storage_account: StorageAccount, workspace: Workspace, tmp_path: Path
) -> Iterator[Site]:
    feed = config_yaml.a_feed(storage_account.name)
    values = config_yaml.values(development=workspace.name, digits=feed)
    gate = {"metrics": {"accuracy": {"min": 0.8}}}
    values["models"] = {"m": {"evaluate": {"data": "holdout:1", "compute": "cpu"}, "gate": gate}}
    settings = {
        "AzureWebJobsStorage__accountName": storage_account.name,
        "TIDEGATE_CONFIG": str(config_yaml.write(tmp_path, values)),
    }
    topics = {"storage": storage_account.id, "development": workspace.id}
    with faults.functions_app(app_folder(), settings, topics) as site:
        yield site


def test_events_and_the_timer_are_answered_while_24_commands_hang(
    app: Site, faults: Tidepool, storage_account: StorageAccount, workspace: Workspace
) -> None:
    hang(faults, "management.azure.com")
    with queue_client(storage_account.name, "tidegate-work") as queue:
        queue.create_queue()
        for number in range(24):
            judge = JudgeModel(cause="test", model="m", version=str(number))
            queue.send_message(to_message(judge))
    wait_until(lambda: hanging_commands(faults, app) >= AT_ONCE)
    hang(faults, f"{storage_account.name}.table.*")
    hang(faults, f"{storage_account.name}.blob.*")

    arrived = blob_event("202611/a.png", topic=storage_account.id)
    rejected = blob_event("202613/a.png", topic=storage_account.id)
    registered = learning_event(
        "ModelRegistered", "models/n:3", {"ModelName": "n", "ModelVersion": 3}, topic=workspace.id
    )
    answers = [
        deliver(app, "blob_arrived", [arrived, rejected]),
        deliver(app, "model_registered", [registered]),
    ]
    app.fire_timer("reconcile")
    still_hanging = hanging_commands(faults, app)
    hang(faults, f"{storage_account.name}.queue.*")
    without_queue = deliver(app, "blob_arrived", [blob_event("202612/a.png", topic=storage_account.id)])

    assert answers == [202, 202]
    assert still_hanging >= AT_ONCE
    assert without_queue == 500  # the host says this of every failed event function, as in Azure
    assert without_queue not in NEVER_AGAIN_FOR_WEBHOOKS


def hang(tidepool: Tidepool, host: str) -> None:
    tidepool.fault("request", "timeout", value=HANGS_S, times=None, match={"host": host})


def hanging_commands(tidepool: Tidepool, app: Site) -> int:
    assert described(tidepool, app)["state"] == "Running"
    return tidepool.status()["going_on"].count(f"{app.name}: work is running")
