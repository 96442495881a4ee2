"""System topics with identities: events and dead letters are written with the roles of the topic."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from tests.support.arm_requests import arm
from tests.support.azure_clients import container_client, queue_client
from tests.support.event_grid import Subscriber
from tests.support.roles import ARM, BLOB_DATA_CONTRIBUTOR, QUEUE_DATA_MESSAGE_SENDER
from tests.support.webhook_receiver import WebhookReceiver

from tidepool.cloud import StorageAccount, Tidepool

EVENT = {"subject": "/a.png", "eventType": "Microsoft.Storage.BlobCreated", "data": {"api": "PutBlob"}}
OWN = {"type": "SystemAssigned"}


class Topic:
    """The system topic of a storage account, and the requests of the developer."""

    def __init__(self, tidepool: Tidepool, account: StorageAccount) -> None:
        self.tidepool = tidepool
        self.account = account
        self.group = account.id.partition("/providers/")[0]
        self.id = f"{self.group}/providers/Microsoft.EventGrid/systemTopics/events-of-{account.name}"

    def make(self, identity: Any = None, **properties: str) -> requests.Response:
        own = {"source": self.account.id, "topicType": "Microsoft.Storage.StorageAccounts"}
        return self.arm(
            "PUT",
            self.id,
            {"location": "japaneast", "identity": identity, "properties": {**own, **properties}},
        )

    def arm(self, method: str, path: str, body: Any = None) -> requests.Response:
        return arm(method, path, self.tidepool.token(ARM), body)

    def assign(self, role: str, scope: str, principal_id: str) -> None:
        definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        properties = {"principalId": principal_id, "roleDefinitionId": definition}
        self.arm("PUT", path, {"properties": properties}).raise_for_status()

    def pass_time(self, seconds: float) -> None:
        self.tidepool.advance(seconds)
        self.tidepool.settle()


@pytest.fixture
def topic(tidepool: Tidepool, storage_account: StorageAccount) -> Topic:
    return Topic(tidepool, storage_account)


@pytest.mark.parametrize("kind", ["SystemAssigned", "UserAssigned"])
def test_dead_letters_are_written_as_the_topic(
    topic: Topic, subscriber: Subscriber, webhook_receiver: WebhookReceiver, kind: str
) -> None:
    mine = f"{topic.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/events"
    topic.arm("PUT", mine, {"location": "japaneast"})
    user_assigned = {"userAssignedIdentity": mine} if kind == "UserAssigned" else {}
    dead = {"resourceId": topic.account.id, "blobContainerName": "dead"}
    letters = {
        "identity": {"type": kind, **user_assigned},
        "deadLetterDestination": {"endpointType": "StorageBlob", "properties": dead},
    }
    container = container_client(topic.account.name, "dead")
    container.create_container()
    refused = subscriber.put("mine", webhook_receiver.url, deadLetterWithResourceIdentity=letters)
    made = topic.make({"type": kind, **({"userAssignedIdentities": {mine: {}}} if user_assigned else {})})
    identity = made.json()["identity"]
    principal = identity["userAssignedIdentities"][mine] if user_assigned else identity
    subscriber.put("mine", webhook_receiver.url, deadLetterWithResourceIdentity=letters).raise_for_status()

    webhook_receiver.answers.append(400)
    topic.tidepool.inject(subscriber.scope, EVENT)
    topic.tidepool.settle()
    topic.pass_time(300)
    without_role = list(container.list_blob_names())
    topic.assign(
        BLOB_DATA_CONTRIBUTOR,
        f"{topic.account.id}/blobServices/default/containers/dead",
        principal["principalId"],
    )
    topic.pass_time(300)

    assert refused.status_code == 400
    assert "has no identity" in refused.json()["error"]["message"]
    assert without_role == []
    assert len(list(container.list_blob_names())) == 1


def test_events_reach_a_queue_as_the_topic(topic: Topic) -> None:
    made = topic.make(OWN)
    queue = queue_client(topic.account.name, "events")
    path = f"{topic.id}/eventSubscriptions/mine"
    properties = {
        "resourceId": topic.account.id,
        "queueName": "events",
        "queueMessageTimeToLiveInSeconds": 3600,
    }
    destination = {"endpointType": "StorageQueue", "properties": properties}
    body = {"properties": {"deliveryWithResourceIdentity": {"identity": OWN, "destination": destination}}}
    refused = topic.arm("PUT", path, body)
    queue.create_queue()
    subscribed = topic.arm("PUT", path, body)

    topic.tidepool.inject(topic.account.id, EVENT)
    topic.tidepool.settle()
    without_role = list(queue.peek_messages())
    topic.assign(QUEUE_DATA_MESSAGE_SENDER, topic.account.id, made.json()["identity"]["principalId"])
    topic.pass_time(400)

    assert refused.status_code == 400
    assert subscribed.json()["id"] == path
    assert without_role == []
    (message,) = queue.peek_messages()
    assert json.loads(base64.b64decode(message.content))["subject"] == "/a.png"
    assert message.expires_on - message.inserted_on == timedelta(hours=1)


def test_a_custom_topic_delivers_with_its_own_identity(topic: Topic) -> None:
    custom = f"{topic.group}/providers/Microsoft.EventGrid/topics/orders-{topic.account.name}"
    queue = queue_client(topic.account.name, "orders")
    queue.create_queue()
    destination = {
        "endpointType": "StorageQueue",
        "properties": {"resourceId": topic.account.id, "queueName": "orders"},
    }
    body = {"properties": {"deliveryWithResourceIdentity": {"identity": OWN, "destination": destination}}}
    path = f"{custom}/providers/Microsoft.EventGrid/eventSubscriptions/mine"
    topic.arm("PUT", custom, {"location": "japaneast"}).raise_for_status()
    refused = topic.arm("PUT", path, body)
    made = topic.arm("PUT", custom, {"location": "japaneast", "identity": OWN})
    topic.arm("PUT", path, body).raise_for_status()

    topic.tidepool.inject(custom, {**EVENT, "eventType": "Ordered"})
    topic.tidepool.settle()
    without_role = list(queue.peek_messages())
    topic.assign(QUEUE_DATA_MESSAGE_SENDER, topic.account.id, made.json()["identity"]["principalId"])
    topic.pass_time(400)

    assert (refused.status_code, "has no identity" in refused.text) == (400, True)
    assert without_role == []
    assert [json.loads(base64.b64decode(item.content))["eventType"] for item in queue.peek_messages()] == [
        "Ordered"
    ]
    topic.arm("DELETE", custom).raise_for_status()


@pytest.mark.parametrize(
    ("kind", "properties"),
    [("WebHook", {"endpointUrl": "https://a"}), ("AzureFunction", {"resourceId": "/x/functions/f"})],
)
def test_functions_and_webhooks_get_events_without_an_identity_only(
    topic: Topic, kind: str, properties: dict[str, str]
) -> None:
    topic.make(OWN).raise_for_status()
    destination = {"endpointType": kind, "properties": properties}
    body = {"properties": {"deliveryWithResourceIdentity": {"identity": OWN, "destination": destination}}}

    refused = topic.arm("PUT", f"{topic.id}/eventSubscriptions/mine", body)

    assert refused.status_code == 501
    assert f"endpointType: {kind}" in refused.json()["error"]["message"]
    assert "not to functions and webhooks" in refused.json()["error"]["message"]


def test_a_subscription_ends_at_its_expiration(
    tidepool: Tidepool, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    now = datetime.fromisoformat(tidepool.status()["now"])
    late, soon = now - timedelta(minutes=1), now + timedelta(minutes=10)
    refused = subscriber.put("late", webhook_receiver.url, expirationTimeUtc=late.isoformat())
    utc = f"{soon.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    subscriber.put("mine", webhook_receiver.url, expirationTimeUtc=utc).raise_for_status()

    before = subscriber.get("mine")
    tidepool.advance(601)
    tidepool.settle()

    assert (refused.status_code, before.json()["properties"]["expirationTimeUtc"]) == (400, utc)
    assert subscriber.get("mine").status_code == 404


@pytest.mark.parametrize(
    "properties", [{"topicType": "Microsoft.Storage.Accounts"}, {"source": "/subscriptions/x/elsewhere"}]
)
def test_a_system_topic_that_cannot_be_is_refused(topic: Topic, properties: dict[str, str]) -> None:
    [value] = properties.values()

    refused = topic.make(**properties)

    assert refused.status_code == 400
    assert value in refused.json()["error"]["message"]


def test_a_source_has_one_system_topic_which_is_deleted_with_its_subscriptions(
    topic: Topic, subscriber: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    topic.make(OWN).raise_for_status()
    subscriber.put("mine", webhook_receiver.url).raise_for_status()
    listed = topic.arm("GET", topic.id.rpartition("/")[0]).json()["value"]

    other = topic.arm("PUT", f"{topic.id}-2", topic.arm("GET", topic.id).json())
    topic.arm("DELETE", topic.id).raise_for_status()

    assert [item["id"] for item in listed if item["properties"]["source"] == topic.account.id] == [topic.id]
    assert (other.status_code, topic.arm("GET", topic.id).status_code) == (400, 404)
    assert subscriber.get("mine").status_code == 404
