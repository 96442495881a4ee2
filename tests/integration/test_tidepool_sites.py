"""Several functions apps in one Tidepool, independent of each other."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.azure_clients import container_client

from tidepool.cloud import Site, StorageAccount, Tidepool

APP = """
import pathlib

import azure.functions as func

app = func.FunctionApp()
RECEIVED = pathlib.Path(__file__).parent / "received.txt"


@app.event_grid_trigger("event")
def blob_arrived(event: func.EventGridEvent) -> None:
    with RECEIVED.open("a") as names:
        names.write(event.subject.rpartition("/")[2] + "\\n")
"""
SUBSCRIPTIONS = """
- name: blob-arrived
  topic: storage
  function: blob_arrived
  filter: {includedEventTypes: [Microsoft.Storage.BlobCreated]}
  deadLetter: deadletter
"""
Start = Callable[[str], Site]


@pytest.fixture
def start(tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path) -> Start:
    """Start an app that notes the blobs of the account, from a folder of that name."""

    def started(name: str) -> Site:
        folder = tmp_path / name
        (folder / "infra").mkdir(parents=True)
        (folder / "function_app.py").write_text(APP)
        (folder / "host.json").write_text('{"version": "2.0"}')
        (folder / "infra/subscriptions.yaml").write_text(SUBSCRIPTIONS)
        return tidepool.functions_app(folder, topics={"storage": storage_account.id})

    return started


def test_two_apps_of_one_account_both_hear_of_its_blobs_until_one_is_stopped(
    tidepool: Tidepool, storage_account: StorageAccount, start: Start, tmp_path: Path
) -> None:
    images = container_client(storage_account.name, "images")
    images.create_container()

    with start("one"):
        with start("other"):
            images.upload_blob("both.png", b"x")
            tidepool.settle()
        images.upload_blob("one.png", b"x")
        tidepool.settle()

    assert (tmp_path / "one/received.txt").read_text().split() == ["both.png", "one.png"]
    assert (tmp_path / "other/received.txt").read_text().split() == ["both.png"]
