"""Several functions apps in one Tidepool, independent of each other."""

from pathlib import Path
from typing import Protocol

import pytest
from tests.support.arm_requests import arm, token
from tests.support.azure_clients import container_client
from tests.support.sample_site import ask

from tidepool.cloud import Site, StorageAccount, Tidepool
from tidepool.default_resources import LOCATION, RESOURCE_GROUP, SUBSCRIPTION

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


class Start(Protocol):
    """Start an app of this name, on a site of a template if one is given."""

    def __call__(self, name: str, site_id: str = "") -> Site: ...


@pytest.fixture
def start(tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path) -> Start:
    """Start an app that notes the blobs of the account, from a folder of that name."""

    def started(name: str, site_id: str = "") -> Site:
        folder = tmp_path / name
        (folder / "infra").mkdir(parents=True)
        (folder / "function_app.py").write_text(APP)
        (folder / "host.json").write_text('{"version": "2.0"}')
        (folder / "infra/subscriptions.yaml").write_text(SUBSCRIPTIONS)
        return tidepool.functions_app(folder, topics={"storage": storage_account.id}, site_id=site_id)

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


def test_a_template_turns_the_sign_in_of_its_site_on_and_off(tidepool: Tidepool, start: Start) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.Web"
    plan, site = f"{group}/serverfarms/plan-sign-in", f"{group}/sites/func-sign-in"
    bearer, located = token(tidepool, "developer"), {"location": LOCATION}
    arm("PUT", plan, bearer, located).raise_for_status()
    body = {
        **located,
        "kind": "functionapp,linux",
        "identity": {"type": "SystemAssigned"},
        "properties": {"serverFarmId": plan},
    }
    arm("PUT", site, bearer, body).raise_for_status()

    def turn(on: bool) -> None:
        properties = {"platform": {"enabled": on}, "globalValidation": {"requireAuthentication": False}}
        answer = arm("PUT", f"{site}/config/authsettingsV2", bearer, {"properties": properties})
        answer.raise_for_status()
        assert arm("GET", f"{site}/config/authsettingsV2", bearer).json()["properties"] == properties

    turn(on=True)
    with start("signs-in", site) as app:
        assert app.name == "func-sign-in"
        assert ask(app, "GET", "/.auth/me").status_code == 401
        turn(on=False)
        assert ask(app, "GET", "/.auth/me").status_code == 404
