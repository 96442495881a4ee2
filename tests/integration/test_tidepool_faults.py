"""Injected faults of Tidepool, repeatable and as Azure shows them: requests, events, a dying worker."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy
from tests.support.azure_clients import blob_service, container_client, queue_client

from tidepool.cloud import Site, StorageAccount, Tidepool, TidepoolError, Workspace
from tidepool.faults import Faults

APP = """
import json
import os
import pathlib

import azure.functions as func

app = func.FunctionApp()
RECEIVED = pathlib.Path(__file__).parent / "received.txt"


@app.event_grid_trigger("event")
def blob_arrived(event: func.EventGridEvent) -> None:
    with RECEIVED.open("a") as names:
        names.write(event.subject.rpartition("/")[2] + "\\n")


@app.queue_trigger("message", "work", "AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    url = f"https://{os.environ['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"
    container = ContainerClient(url, "results", DefaultAzureCredential())
    for number in range(3):
        container.upload_blob(f"{number}.txt", f"dequeued {message.dequeue_count}", overwrite=True)
"""
HOST = """
{
  "version": "2.0",
  "extensions": {"queues": {"visibilityTimeout": "00:00:30", "maxPollingInterval": "00:00:01"}}
}
"""
SUBSCRIPTIONS = """
- name: images
  topic: storage
  function: blob_arrived
  filter:
    includedEventTypes: [Microsoft.Storage.BlobCreated]
    subjectBeginsWith: /blobServices/default/containers/images/
  retryPolicy: {maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440}
  deadLetter: deadletter
"""


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text(HOST)
    (folder / "infra").mkdir()
    (folder / "infra" / "subscriptions.yaml").write_text(SUBSCRIPTIONS)
    return folder


@pytest.fixture(scope="module")
def account(tidepool: Tidepool) -> StorageAccount:
    return tidepool.create_storage_account()


@pytest.fixture(scope="module")
def site(tidepool: Tidepool, app_dir: Path, account: StorageAccount) -> Iterator[Site]:
    with tidepool.functions_app(app_dir, topics={"storage": account.id}) as site:
        assert site.error == ""
        yield site


@pytest.fixture(scope="module")
def images(tidepool: Tidepool, account: StorageAccount) -> ContainerClient:
    service = blob_service(account.name)
    service.create_container("results")
    return service.create_container("images")


@pytest.fixture(scope="module")
def queue(account: StorageAccount, site: Site) -> QueueClient:
    client = queue_client(account.name, "work", message_encode_policy=TextBase64EncodePolicy())
    client.create_queue()
    return client


@pytest.fixture
def received_names(app_dir: Path) -> Callable[[], list[str]]:
    file = app_dir / "received.txt"
    file.write_text("")
    return lambda: file.read_text().split()


def client(account: StorageAccount, retries: int) -> ContainerClient:
    return container_client(
        account.name, "images", retry_total=retries, initial_backoff=0, retry_to_secondary=False
    )


def test_a_route_is_throttled_until_the_sdk_has_retried(faults: Tidepool, workspace: Workspace) -> None:
    faults.fault("request", "status", value=429, times=2, match={"path": f"{workspace.id}*"})
    url, headers = (
        f"https://management.azure.com{workspace.id}",
        {"Authorization": f"Bearer {faults.token('https://management.azure.com')}"},
    )

    answers = [requests.get(url, headers=headers, timeout=5) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[0].json()["error"]["code"] == "TooManyRequests"


def test_storage_is_busy_in_storages_words(
    faults: Tidepool, account: StorageAccount, images: ContainerClient
) -> None:
    faults.fault("request", "status", value=503, match={"host": f"{account.name}.blob.*", "method": "PUT"})

    with pytest.raises(HttpResponseError) as refused:
        client(account, retries=0).upload_blob("busy.txt", b"1")

    assert (refused.value.status_code, refused.value.error_code) == (503, "ServerBusy")
    client(account, retries=0).upload_blob("busy.txt", b"1")


def test_a_time_out_ends_without_an_answer_and_without_an_effect(
    faults: Tidepool, account: StorageAccount, images: ContainerClient
) -> None:
    faults.fault("request", "timeout", value=0.05, match={"host": f"{account.name}.blob.*", "method": "PUT"})

    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        client(account, retries=0).upload_blob("silent.txt", b"1")

    assert not images.get_blob_client("silent.txt").exists()


def test_a_slow_request_still_takes_effect(
    faults: Tidepool, account: StorageAccount, images: ContainerClient
) -> None:
    host = f"{account.name}.blob.core.windows.net"
    faults.fault("request", "slow", value=0.2, match={"host": host, "method": "PUT"})

    client(account, retries=0).upload_blob("slow.txt", b"1")

    assert images.get_blob_client("slow.txt").exists()
    [slow] = [
        sent for sent in faults.requests if sent["host"] == host and sent["path"].endswith("/slow.txt")
    ][:1]
    assert slow["ms"] >= 200


@pytest.mark.parametrize("ahead_s", [60, -60])
def test_the_clock_of_a_storage_account_is_ahead_or_behind(
    faults: Tidepool, account: StorageAccount, images: ContainerClient, ahead_s: int
) -> None:
    name = f"at{ahead_s}.txt"
    images.upload_blob(name, b"1")
    blob = images.get_blob_client(name)
    true = blob.get_blob_properties().last_modified
    faults.fault("clock", "shift", value=ahead_s, times=None, match={"account": account.name})

    shifted = true + timedelta(seconds=ahead_s)
    assert blob.get_blob_properties().last_modified == shifted
    assert next(images.list_blobs(name_starts_with=name)).last_modified == shifted
    answer = blob.download_blob(if_unmodified_since=shifted)
    assert answer.properties.last_modified == shifted


def test_a_rule_that_cannot_be_is_refused_with_what_is_allowed(tidepool: Tidepool) -> None:
    with pytest.raises(TidepoolError, match="allowed for event: delay, drop, duplicate, reorder"):
        tidepool.fault("event", "explode")
    with pytest.raises(TidepoolError, match="allowed for request: host, method, origin, path"):
        tidepool.fault("request", "status", match={"colour": "red"})


def test_the_same_seed_misbehaves_in_the_same_way() -> None:
    def answers(seed: int) -> list[list[float]]:
        faults = Faults(seed)
        faults.add({"kind": "event", "action": "drop", "probability": 0.3, "times": None})
        faults.add({"kind": "event", "action": "reorder", "probability": 0.5, "times": None})
        return [faults.for_event({"eventType": "t", "subject": str(number)}) for number in range(50)]

    assert answers(7) == answers(7)
    assert answers(7) != answers(8)
    assert [] in answers(7)


def test_an_event_is_delivered_twice(
    faults: Tidepool, site: Site, images: ContainerClient, received_names: Callable[[], list[str]]
) -> None:
    faults.fault("event", "duplicate", match={"subject": "*/twice.png"})

    images.upload_blob("twice.png", b"1")
    images.upload_blob("once.png", b"1")
    faults.settle(20)

    assert sorted(received_names()) == ["once.png", "twice.png", "twice.png"]


def test_an_event_is_lost(
    faults: Tidepool, site: Site, images: ContainerClient, received_names: Callable[[], list[str]]
) -> None:
    faults.fault("event", "drop", match={"subject": "*/lost.png"})

    images.upload_blob("lost.png", b"1")
    images.upload_blob("kept.png", b"1")
    faults.settle(20)

    assert received_names() == ["kept.png"]


def test_a_delayed_event_comes_after_a_later_one(
    faults: Tidepool, site: Site, images: ContainerClient, received_names: Callable[[], list[str]]
) -> None:
    faults.fault("event", "delay", value=600, match={"subject": "*/first.png"})

    images.upload_blob("first.png", b"1")
    images.upload_blob("second.png", b"1")
    faults.settle(20)
    assert received_names() == ["second.png"]
    faults.advance(601)
    faults.settle(20)

    assert received_names() == ["second.png", "first.png"]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_the_worker_dies_after_a_write_that_took_effect(
    faults: Tidepool, site: Site, queue: QueueClient, images: ContainerClient, nth: int
) -> None:
    results = container_client(str(images.account_name), "results")
    for blob in list(results.list_blob_names()):
        results.delete_blob(blob)
    before = len(site.writes())
    site.kill_worker_after(writes=nth)

    queue.send_message("go", time_to_live=-1)
    faults.settle(20)
    written = len(site.writes()) - before
    assert (written, len(list(results.list_blobs()))) == (nth, nth)
    faults.advance(31)
    faults.settle(20)

    assert {results.download_blob(f"{number}.txt").readall() for number in range(3)} == {b"dequeued 2"}
