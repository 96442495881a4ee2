"""Custom topics: who may publish what, and through the real publisher."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import DefaultAzureCredential
from tests.support.event_grid import ENDPOINT, Grid, Subscriber, run_grid, wire_event
from tests.support.roles import EVENT_GRID_DATA_SENDER
from tests.support.webhook_receiver import WebhookReceiver

from tidepool import default_resources
from tidepool.access.principals import PRINCIPALS
from tidepool.cloud import Tidepool

# Custom topics, through the real publisher


def grid_events(count: int) -> list[EventGridEvent]:
    return [EventGridEvent(f"/things/{number}", "Things.Made", {"n": number}, "1") for number in range(count)]


def test_the_sdk_publishes_events_and_they_come_in_batches(
    tidepool: Tidepool, custom_topic: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    custom_topic.put("batches", webhook_receiver.url, delivery={"maxEventsPerBatch": 10})

    EventGridPublisherClient(ENDPOINT, DefaultAzureCredential()).send(grid_events(25))
    tidepool.settle()

    assert sorted(webhook_receiver.subjects) == sorted(f"/things/{number}" for number in range(25))
    assert max(len(delivery.events) for delivery in webhook_receiver.deliveries) == 10
    assert webhook_receiver.deliveries[0].events[0]["topic"] == custom_topic.scope
    assert webhook_receiver.deliveries[0].events[0]["metadataVersion"] == "1"


def test_a_batch_stays_below_its_preferred_size(
    tidepool: Tidepool, custom_topic: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    custom_topic.put(
        "small", webhook_receiver.url, delivery={"maxEventsPerBatch": 100, "preferredBatchSizeInKilobytes": 1}
    )

    EventGridPublisherClient(ENDPOINT, DefaultAzureCredential()).send(grid_events(20))
    tidepool.settle()

    sizes = [len(json.dumps(delivery.body)) for delivery in webhook_receiver.deliveries]
    assert len(webhook_receiver.subjects) == 20
    assert 1 < len(sizes) < 20
    assert max(sizes) < 1100


def test_cloud_events_go_out_as_the_subscription_wants_them(
    tidepool: Tidepool, custom_topic: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    custom_topic.put("cloud", webhook_receiver.url, eventDeliverySchema="CloudEventSchemaV1_0")
    publisher = EventGridPublisherClient(ENDPOINT, DefaultAzureCredential())

    publisher.send([CloudEvent(source="/mine", type="Things.Made", subject="one", data={"n": 1})])
    publisher.send(grid_events(1))
    tidepool.settle()

    bodies = {delivery.body["source"]: delivery.body for delivery in webhook_receiver.deliveries}
    cloud_event, grid_event = bodies["/mine"], bodies[custom_topic.scope]
    assert (cloud_event["subject"], cloud_event["data"]) == ("one", {"n": 1})
    assert (grid_event["specversion"], grid_event["type"]) == ("1.0", "Things.Made")
    assert webhook_receiver.deliveries[0].headers["content-type"].startswith("application/cloudevents+json")


def test_a_wrong_key_is_refused(tidepool: Tidepool) -> None:
    publisher = EventGridPublisherClient(ENDPOINT, AzureKeyCredential("bm90IHRoZSBrZXk="))

    with pytest.raises(ClientAuthenticationError):
        publisher.send(grid_events(1))


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        ([wire_event()], "application/json", 200),
        ([], "application/json", 200),
        ([wire_event(topic=default_resources.custom_topic_id("mine").upper())], "application/json", 200),
        ([wire_event(topic="/another")], "application/json", 400),
        (wire_event(), "application/json", 400),
        ([wire_event(id=None)], "application/json", 400),
        ([wire_event(subject="")], "application/json", 400),
        ([wire_event(eventTime="yesterday")], "application/json", 400),
        ([wire_event(), "text"], "application/json", 400),
        (b"[", "application/json", 400),
        (b" " * (1024 * 1024 + 1), "application/json", 413),
        ({"specversion": "1.0", "id": "1", "source": "/s", "type": "T"}, "application/cloudevents+json", 200),
        (
            [{"specversion": "1.0", "id": "1", "source": "/s", "type": "T"}],
            "application/cloudevents-batch+json",
            200,
        ),
        (
            [{"specversion": "0.3", "id": "1", "source": "/s", "type": "T"}],
            "application/cloudevents-batch+json",
            400,
        ),
        (
            [{"specversion": "1.0", "id": "1", "type": "T"}],
            "application/cloudevents-batch+json; charset=utf-8",
            400,
        ),
    ],
)
def test_what_a_custom_topic_accepts(body: Any, media_type: str, status: int) -> None:
    async def test(grid: Grid) -> None:
        answer = await grid.post(body, media_type, aeg_sas_key=grid.key)

        assert answer.status_code == status
        assert (answer.content == b"") == (status == 200)

    run_grid(test)


def test_who_may_publish() -> None:
    async def test(grid: Grid) -> None:
        wrong_audience = grid.identity.issue("https://management.azure.com", PRINCIPALS["developer"])
        expired = grid.identity.issue("https://eventgrid.azure.net", PRINCIPALS["developer"], lifetime_s=-1)
        answers = {
            "nobody": await grid.post([]),
            "key": await grid.post([], aeg_sas_key=grid.key),
            "wrong key": await grid.post([], aeg_sas_key="x" + grid.key),
            "bearer": await grid.post([], authorization=f"Bearer {grid.bearer}"),
            "wrong audience": await grid.post([], authorization=f"Bearer {wrong_audience}"),
            "expired": await grid.post([], authorization=f"Bearer {expired}"),
        }
        assignments = grid.identity.assignments
        for held in assignments.at(grid.topic_id):
            if held["properties"]["roleDefinitionId"].endswith(EVENT_GRID_DATA_SENDER):
                assignments.unassign(held["id"])
        answers["no role"] = await grid.post([], authorization=f"Bearer {grid.bearer}")

        assert {name for name, answer in answers.items() if answer.status_code == 200} == {"key", "bearer"}
        assert {answer.status_code for answer in answers.values()} == {200, 401}
        assert "does not have permission to send data" in answers["no role"].text

    run_grid(test)


def test_a_sas_token_of_the_sdk_opens_the_topic_until_it_expires() -> None:
    from azure.eventgrid import generate_sas

    async def test(grid: Grid) -> None:
        endpoint = "https://mine.japaneast-1.eventgrid.azure.net/api/events"
        current = generate_sas(endpoint, grid.key, datetime(2100, 1, 1, tzinfo=UTC))
        former = generate_sas(endpoint, grid.key, datetime(2020, 1, 1, tzinfo=UTC))

        assert (await grid.post([], aeg_sas_token=current)).status_code == 200
        assert (await grid.post([], aeg_sas_token=former)).status_code == 401
        assert (await grid.post([], aeg_sas_token=current[:-6] + "AAAAA=")).status_code == 401

    run_grid(test)
