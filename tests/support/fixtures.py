"""Fixtures of all tests; Tidepool's pytest plugin adds `tidepool`, `workspace`, `storage_account` and others.

A test module may override a fixture, for example to share an installation between its tests. The fixtures
import what they make when a test asks for it, so that tests of pure code start quickly.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.clock import Clock

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from tests.support.api_requests import Api
    from tests.support.event_grid import Subscriber
    from tests.support.handler_harness import HandlerHarness
    from tests.support.installation import Installation, Running
    from tests.support.promotions import Promotions
    from tests.support.rollouts import Rollouts
    from tests.support.sample_site import Notes
    from tests.support.webhook_receiver import WebhookReceiver
    from tidegate.bootstrap import Service
    from tidepool.cloud import Site, StorageAccount, Tidepool, Workspace


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves by hand."""
    return Clock()


# Azure ML, through its SDK


@pytest.fixture
def ml(workspace: "Workspace") -> "MLClient":
    """Return a client of a workspace that no other test uses."""
    from tests.support.azure_clients import ml_client

    return ml_client(workspace.name)


@pytest.fixture
def registry(tidepool: "Tidepool") -> "MLClient":
    """Return a client of Tidepool's registry, which all tests of a session share."""
    from tests.support.azure_clients import registry_client

    return registry_client("tidepool-registry")


# The service in this process


@pytest.fixture
def service(tmp_path: Path, storage_account: "StorageAccount", clock: Clock) -> "Service":
    """Return the service with the feed `digits`, on a storage account of its own."""
    from tests.support.service import a_service

    return a_service(tmp_path, storage_account.name, clock)


@pytest.fixture
def api(service: "Service") -> "Api":
    """Return the HTTP API of `service`."""
    from tests.support.api_requests import Api

    return Api(lambda: service)


@pytest.fixture
def promotions(tidepool: "Tidepool", tmp_path: Path) -> "Promotions":
    """Return an installation that promotes models after an approval."""
    from tests.support.promotions import Promotions

    return Promotions(tidepool, tmp_path)


@pytest.fixture
def rollouts(tidepool: "Tidepool", tmp_path: Path) -> "Iterator[Rollouts]":
    """Yield an installation that rolls models out to an endpoint; clear Tidepool's faults after the test."""
    from tests.support.rollouts import Rollouts

    yield Rollouts(tidepool, tmp_path)
    tidepool.clear_faults()


# An installation in Tidepool


@pytest.fixture
def installation(tidepool: "Tidepool", tmp_path: Path) -> "Iterator[Installation]":
    """Yield an installation of the test's own; clear Tidepool's faults after the test."""
    from tests.support.installation import Installation

    yield Installation(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def running(installation: "Installation") -> "Iterator[Running]":
    """Yield the service of `installation` while its functions app runs."""
    with installation.start() as running:
        yield running


@pytest.fixture
def harness(installation: "Installation") -> "HandlerHarness":
    """Return the handlers of `installation`, to be called in this process."""
    from tests.support.handler_harness import HandlerHarness

    return HandlerHarness(installation)


# Event Grid


@pytest.fixture
def webhook_receiver() -> "Iterator[WebhookReceiver]":
    """Yield an HTTP endpoint to which Event Grid delivers."""
    from tests.support.webhook_receiver import WebhookReceiver

    with WebhookReceiver() as webhook_receiver:
        yield webhook_receiver


@pytest.fixture
def subscriber(tidepool: "Tidepool", storage_account: "StorageAccount") -> "Iterator[Subscriber]":
    """Yield the event subscriptions of a storage account; delete those that the test made."""
    from tests.support.event_grid import Subscriber

    subscriber = Subscriber(storage_account.id)
    yield subscriber
    subscriber.close()


@pytest.fixture
def custom_topic(tidepool: "Tidepool") -> "Iterator[Subscriber]":
    """Yield the event subscriptions of Tidepool's custom topic; delete those that the test made."""
    from tests.support.event_grid import Subscriber
    from tidepool import default_resources

    subscriber = Subscriber(default_resources.custom_topic_id(default_resources.CUSTOM_TOPIC))
    yield subscriber
    subscriber.close()


# The sample app


@pytest.fixture
def notes(tmp_path: Path) -> "Notes":
    """Return a function that reads what a function of the sample app noted."""
    file = tmp_path / "notes"

    def read(function: str) -> list[dict[str, Any]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for note in map(json.loads, lines) if note["function"] == function]

    return read


@pytest.fixture
def site(tidepool: "Tidepool", storage_account: "StorageAccount", tmp_path: Path) -> "Iterator[Site]":
    """Yield the sample app while it runs, with `storage_account` as its storage."""
    from tests.support.sample_site import SAMPLE, SETTINGS

    settings = {**SETTINGS, "NOTES": str(tmp_path / "notes")}
    with tidepool.functions_app(SAMPLE, settings, {"storage": storage_account.id}) as site:
        yield site


@pytest.fixture
def own_invoke_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a deployment's name in the headers of this test's invocations.

    azure-ai-ml adds the headers of each invocation to one dictionary for the whole process, so later
    invocations would go to the same deployment.
    """
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields

    monkeypatch.setattr(EndpointInvokeFields, "DEFAULT_HEADER", dict(EndpointInvokeFields.DEFAULT_HEADER))
