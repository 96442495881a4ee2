"""Inside Event Grid: restarts, sick endpoints, the service's own subscriptions, limits."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.azure_types import violations
from tests.support.event_grid import TOPIC, Grid, run_grid, wire_event
from tests.support.webhook_receiver import WebhookReceiver

from tidepool.errors import AzureError
from tidepool.events.subscriptions import Subscription, read_file
from tidepool.store import Store

SUBSCRIPTIONS = Path("infra/subscriptions.yaml")
SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/tidegate"
TYPES = Path(__file__).parents[2].parent / "shared/schemas/eventgrid.types.json"


def webhook(url: str, **properties: Any) -> dict[str, Any]:
    return {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}, **properties}


async def quiet(grid: Grid) -> None:
    """Until nothing is on its way."""
    async with asyncio.timeout(10):
        while grid.eventgrid.delivering():
            await asyncio.sleep(0.005)


def test_undelivered_events_survive_a_restart(tmp_path: Path, webhook_receiver: WebhookReceiver) -> None:
    webhook_receiver.answers.extend([500, 500])

    async def before(grid: Grid) -> None:
        await grid.eventgrid.subscribe(TOPIC, "mine", webhook(webhook_receiver.url))
        await grid.eventgrid.publish(TOPIC, [wire_event(subject="/kept", topic=TOPIC)])
        await quiet(grid)

    async def after(grid: Grid) -> None:
        grid.eventgrid.start()
        assert len(grid.eventgrid.pending()) == 1
        for seconds in (11, 34):
            grid.scheduler.advance(seconds)
            await asyncio.sleep(0.05)
            await quiet(grid)
        assert grid.eventgrid.pending() == []

    run_grid(before, Store(tmp_path / "store"))
    run_grid(after, Store(tmp_path / "store"))

    assert webhook_receiver.subjects == ["/kept"] * 3


def test_new_events_wait_while_an_endpoint_keeps_failing(webhook_receiver: WebhookReceiver) -> None:
    webhook_receiver.answers.extend([500] * 10)

    async def test(grid: Grid) -> None:
        await grid.eventgrid.subscribe(TOPIC, "mine", webhook(webhook_receiver.url))
        for number in range(10):
            await grid.eventgrid.publish(TOPIC, [wire_event(subject=f"/{number}", topic=TOPIC)])
            await quiet(grid)
        await grid.eventgrid.publish(TOPIC, [wire_event(subject="/new", topic=TOPIC)])
        await asyncio.sleep(0.05)

        assert "/new" not in webhook_receiver.subjects
        assert len(grid.eventgrid.pending()) == 11
        grid.scheduler.advance(60)
        await asyncio.sleep(0.05)
        await quiet(grid)
        assert grid.eventgrid.pending() == []

    run_grid(test)

    assert "/new" in webhook_receiver.subjects


def test_the_service_s_own_subscriptions_are_as_azure_wants_them(tmp_path: Path) -> None:
    topics = {name: f"{TOPIC}/{name}" for name in ("storage", "development", "production")}
    entries = read_file(SUBSCRIPTIONS, topics=topics, site=SITE)
    subscriptions = [Subscription.read(*entry) for entry in entries]
    own = wire_event(
        subject="/blobServices/default/containers/tidegate-rejected/blobs/x",
        eventType="Microsoft.Storage.BlobCreated",
    )
    months = wire_event(
        subject="/blobServices/default/containers/images/blobs/202611/x.png",
        eventType="Microsoft.Storage.BlobRenamed",
    )

    assert len({subscription.id for subscription in subscriptions}) == len(subscriptions) == 11
    assert not subscriptions[0].filter.matches(own)
    assert subscriptions[0].filter.matches(months)
    assert {subscription.destination.site for subscription in subscriptions} == {"tidegate"}


@pytest.mark.skipif(not TYPES.exists(), reason=f"no type definitions at {TYPES}")
def test_the_service_s_own_subscriptions_name_only_azure_s_properties() -> None:
    types = json.loads(TYPES.read_text())
    known = [type_definition.get("name") for type_definition in types].index("EventSubscriptionProperties")
    topics = {name: f"{TOPIC}/{name}" for name in ("storage", "development", "production")}

    for _, name, properties in read_file(SUBSCRIPTIONS, topics=topics, site=SITE):
        assert list(violations(types, {"$ref": f"#/{known}"}, properties, name)) == []


@pytest.mark.parametrize(
    "properties",
    [
        {"retryPolicy": {"maxDeliveryAttempts": 31}},
        {"retryPolicy": {"eventTimeToLiveInMinutes": 1441}},
        {
            "destination": {
                "endpointType": "WebHook",
                "properties": {"endpointUrl": "x", "maxEventsPerBatch": 5001},
            }
        },
        {"destination": {"endpointType": "EventHub"}},
    ],
)
def test_subscriptions_beyond_the_limits_are_refused(properties: dict[str, Any]) -> None:
    async def test(grid: Grid) -> None:
        with pytest.raises(AzureError) as refused:
            await grid.eventgrid.subscribe(TOPIC, "mine", {**webhook("http://127.0.0.1:9/"), **properties})
        assert refused.value.status == 400

    run_grid(test)
