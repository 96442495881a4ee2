"""Tidepool's Event Grid, from the publisher to the endpoint and to the dead letters."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.support.azure_clients import container_client
from tests.support.event_grid import Subscriber
from tests.support.webhook_receiver import WebhookReceiver

from tidepool.cloud import StorageAccount, Tidepool


def blob_created(
    subject: str = "/blobServices/default/containers/images/blobs/a.png", **data: Any
) -> dict[str, Any]:
    return {"subject": subject, "eventType": "Microsoft.Storage.BlobCreated", "dataVersion": "", "data": data}


def test_an_event_reaches_a_webhook_that_shook_hands(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    created = subscriber.put("mine", webhook_receiver.url)

    sent = tidepool.inject(subscriber.scope, blob_created(api="PutBlob"))
    tidepool.settle()

    assert created.json()["properties"]["provisioningState"] == "Succeeded"
    [delivery] = webhook_receiver.deliveries
    assert delivery.body == [sent]
    assert sent["topic"] == subscriber.scope
    assert delivery.headers["aeg-event-type"] == "Notification"
    assert delivery.headers["aeg-subscription-name"] == "MINE"
    assert delivery.headers["aeg-delivery-count"] == "0"


def test_an_endpoint_that_does_not_shake_hands_gets_no_subscription(
    subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    webhook_receiver.shakes_hands = False

    refused = subscriber.put("mine", webhook_receiver.url)

    assert refused.status_code == 400
    assert "validate the provided endpoint" in refused.json()["error"]["message"]
    assert subscriber.get("mine").status_code == 404


def test_only_what_the_filter_wants_is_delivered(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    subscriber.put("mine", webhook_receiver.url, filter={"subjectEndsWith": ".png"})

    for name in ("a.png", "b.txt", "c.PNG"):
        tidepool.inject(subscriber.scope, blob_created(name))
    tidepool.settle()

    assert sorted(webhook_receiver.subjects) == ["a.png", "c.PNG"]


def test_a_filter_beyond_azure_s_limits_is_refused(
    subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    condition = {"operatorType": "StringIn", "key": "subject", "values": ["x"]}

    refused = subscriber.put("mine", webhook_receiver.url, filter={"advancedFilters": [condition] * 26})

    assert refused.status_code == 400


def test_a_failed_delivery_is_tried_again_on_the_documented_schedule(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    subscriber.put("mine", webhook_receiver.url)
    webhook_receiver.answers.extend([500, 500])

    tidepool.inject(subscriber.scope, blob_created())
    attempts = [len(webhook_receiver.deliveries) for _ in each_settled(tidepool, [0, 5, 6, 22, 13])]

    assert attempts == [1, 1, 2, 2, 3]
    assert [delivery.headers["aeg-delivery-count"] for delivery in webhook_receiver.deliveries] == [
        "0",
        "1",
        "2",
    ]


def each_settled(tidepool: Tidepool, seconds: list[float]) -> Iterator[float]:
    """Moves the time by each of these, and waits until all that follows is done."""
    for step in seconds:
        tidepool.advance(step)
        tidepool.settle()
        yield step


def test_a_missing_endpoint_is_left_alone_for_five_minutes(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    subscriber.put("mine", webhook_receiver.url)
    webhook_receiver.answers.append(404)

    tidepool.inject(subscriber.scope, blob_created())

    assert [len(webhook_receiver.deliveries) for _ in each_settled(tidepool, [0, 290, 45])] == [1, 1, 2]


def dead_letters(account: StorageAccount) -> dict[str, Any]:
    container = container_client(account.name, "dead")
    return {name: json.loads(container.download_blob(name).readall()) for name in container.list_blob_names()}


@pytest.mark.parametrize(
    ("status", "policy", "reason", "outcome"),
    [
        (400, {}, "BadRequest", "BadRequest"),
        (500, {"maxDeliveryAttempts": 1}, "MaxDeliveryAttemptsExceeded", "GenericError"),
        (503, {"eventTimeToLiveInMinutes": 1, "maxDeliveryAttempts": 30}, "TimeToLiveExceeded", "Busy"),
    ],
)
def test_an_undeliverable_event_becomes_a_dead_letter_five_minutes_later(  # noqa: PLR0917
    tidepool: Tidepool,
    storage_account: StorageAccount,
    subscriber: Subscriber,
    webhook_receiver: WebhookReceiver,
    status: int,
    policy: dict[str, int],
    reason: str,
    outcome: str,
) -> None:
    container_client(storage_account.name, "dead").create_container()
    destination = {"resourceId": storage_account.id, "blobContainerName": "dead"}
    subscriber.put(
        "mine-too",
        webhook_receiver.url,
        retryPolicy=policy,
        deadLetterDestination={"endpointType": "StorageBlob", "properties": destination},
        filter={"subjectBeginsWith": "wanted"},
    )
    webhook_receiver.answers.extend([status] * 30)

    sent = tidepool.inject(subscriber.scope, blob_created("wanted"))
    for _ in each_settled(tidepool, [0, 40]):
        pass
    tried = len(webhook_receiver.deliveries)
    assert dead_letters(storage_account) == {}
    for _ in each_settled(tidepool, [301]):
        pass
    now = datetime.fromisoformat(tidepool.status()["now"])

    [(name, letters)] = dead_letters(storage_account).items()
    assert name.startswith(f"MINE-TOO/{now.year}/{now.month}/{now.day}/")
    [letter] = letters
    assert {**letter, **sent} == letter
    assert (letter["deadLetterReason"], letter["lastDeliveryOutcome"]) == (reason, outcome)
    assert letter["deliveryAttempts"] == tried == len(webhook_receiver.deliveries)
    assert letter["publishTime"] <= letter["lastDeliveryAttemptTime"]


def test_without_a_dead_letter_store_an_undeliverable_event_is_gone(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    subscriber.put("mine", webhook_receiver.url, retryPolicy={"maxDeliveryAttempts": 1})
    webhook_receiver.answers.append(500)

    tidepool.inject(subscriber.scope, blob_created())
    for _ in each_settled(tidepool, [0, 24 * 3600]):
        pass

    assert len(webhook_receiver.deliveries) == 1


@pytest.mark.parametrize(
    ("action", "value", "copies"), [("drop", None, 0), ("duplicate", None, 2), ("duplicate", 2, 3)]
)
def test_faults_drop_and_duplicate_events(  # noqa: PLR0917
    faults: Tidepool,
    subscriber: Subscriber,
    webhook_receiver: WebhookReceiver,
    action: str,
    value: float | None,
    copies: int,
) -> None:
    subscriber.put("mine", webhook_receiver.url)
    faults.fault("event", action, value=value, match={"subject": "*odd*"})

    for subject in ("odd", "even"):
        faults.inject(subscriber.scope, blob_created(subject))
    faults.settle()

    assert sorted(webhook_receiver.subjects) == ["even", *["odd"] * copies]


def test_faults_delay_events_past_later_ones(
    faults: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    subscriber.put("mine", webhook_receiver.url)
    faults.fault("event", "delay", value=60, match={"subject": "first"})

    for subject in ("first", "second"):
        faults.inject(subscriber.scope, blob_created(subject))
    for _ in each_settled(faults, [0, 61]):
        pass

    assert webhook_receiver.subjects == ["second", "first"]
