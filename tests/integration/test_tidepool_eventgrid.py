"""Tidepool's Event Grid, from the publisher to the endpoint and to the dead letters."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from tests.integration.receiver import Receiver

from tidepool import estate
from tidepool.cloud import StorageAccount, Tidepool
from tidepool.errors import AzureError
from tidepool.eventgrid import EventGrid
from tidepool.faults import Faults
from tidepool.identity import Identity
from tidepool.scheduler import Scheduler
from tidepool.store import Store

ENDPOINT = f"https://{estate.custom_topic_host(estate.CUSTOM_TOPIC)}/api/events"
TOPIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/mine"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


MANAGEMENT = "https://management.azure.com"


class Subscriber:
    """Makes event subscriptions of one topic through ARM, as any client does; gone after the test."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        token = DefaultAzureCredential().get_token(f"{MANAGEMENT}/.default").token
        self._headers = {"Authorization": f"Bearer {token}"}
        self._made: list[str] = []

    def put(self, name: str, url: str, **properties: Any) -> requests.Response:
        destination = {"endpointUrl": url, **properties.pop("delivery", {})}
        body = {
            "properties": {
                "destination": {"endpointType": "WebHook", "properties": destination},
                **properties,
            }
        }
        self._made.append(name)
        return self._send("PUT", name, json=body)

    def get(self, name: str) -> requests.Response:
        return self._send("GET", name)

    def close(self) -> None:
        for name in self._made:
            self._send("DELETE", name)

    def _send(self, method: str, name: str, **arguments: Any) -> requests.Response:
        path = f"{self.scope}/providers/Microsoft.EventGrid/eventSubscriptions/{name}?api-version=2025-02-15"
        return requests.request(method, MANAGEMENT + path, headers=self._headers, timeout=30, **arguments)


@pytest.fixture
def subscriber(tidepool: Tidepool, storage_account: StorageAccount) -> Iterator[Subscriber]:
    made = Subscriber(storage_account.id)
    yield made
    made.close()


@pytest.fixture
def custom_topic(tidepool: Tidepool) -> Iterator[Subscriber]:
    made = Subscriber(estate.custom_topic_id(estate.CUSTOM_TOPIC))
    yield made
    made.close()


def blob_created(
    subject: str = "/blobServices/default/containers/images/blobs/a.png", **data: Any
) -> dict[str, Any]:
    return {"subject": subject, "eventType": "Microsoft.Storage.BlobCreated", "dataVersion": "", "data": data}


def test_an_event_reaches_a_webhook_that_shook_hands(
    tidepool: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    made = subscriber.put("mine", receiver.url)

    sent = tidepool.inject(subscriber.scope, blob_created(api="PutBlob"))
    tidepool.settle()

    assert made.json()["properties"]["provisioningState"] == "Succeeded"
    [delivery] = receiver.deliveries
    assert delivery.body == [sent]
    assert sent["topic"] == subscriber.scope
    assert delivery.headers["aeg-event-type"] == "Notification"
    assert delivery.headers["aeg-subscription-name"] == "MINE"
    assert delivery.headers["aeg-delivery-count"] == "0"


def test_an_endpoint_that_does_not_shake_hands_gets_no_subscription(
    subscriber: Subscriber, receiver: Receiver
) -> None:
    receiver.shakes_hands = False

    refused = subscriber.put("mine", receiver.url)

    assert refused.status_code == 400
    assert "validate the provided endpoint" in refused.json()["error"]["message"]
    assert subscriber.get("mine").status_code == 404


def test_only_what_the_filter_wants_is_delivered(
    tidepool: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    subscriber.put("mine", receiver.url, filter={"subjectEndsWith": ".png"})

    for name in ("a.png", "b.txt", "c.PNG"):
        tidepool.inject(subscriber.scope, blob_created(name))
    tidepool.settle()

    assert sorted(receiver.subjects) == ["a.png", "c.PNG"]


def test_a_filter_beyond_azure_s_limits_is_refused(subscriber: Subscriber, receiver: Receiver) -> None:
    condition = {"operatorType": "StringIn", "key": "subject", "values": ["x"]}

    refused = subscriber.put("mine", receiver.url, filter={"advancedFilters": [condition] * 26})

    assert refused.status_code == 400


def test_a_failed_delivery_is_tried_again_on_the_documented_schedule(
    tidepool: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    subscriber.put("mine", receiver.url)
    receiver.answers.extend([500, 500])

    tidepool.inject(subscriber.scope, blob_created())
    attempts = [len(receiver.deliveries) for _ in each_settled(tidepool, [0, 5, 6, 22, 13])]

    assert attempts == [1, 1, 2, 2, 3]
    assert [delivery.headers["aeg-delivery-count"] for delivery in receiver.deliveries] == ["0", "1", "2"]


def each_settled(tidepool: Tidepool, seconds: list[float]) -> Iterator[float]:
    """Moves the time by each of these, and waits until all that follows is done."""
    for step in seconds:
        tidepool.advance(step)
        tidepool.settle()
        yield step


def test_a_missing_endpoint_is_left_alone_for_five_minutes(
    tidepool: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    subscriber.put("mine", receiver.url)
    receiver.answers.append(404)

    tidepool.inject(subscriber.scope, blob_created())

    assert [len(receiver.deliveries) for _ in each_settled(tidepool, [0, 290, 45])] == [1, 1, 2]


def dead_letters(account: StorageAccount) -> dict[str, Any]:
    service = BlobServiceClient(
        f"https://{account.name}.blob.core.windows.net", credential=DefaultAzureCredential()
    )
    container = service.get_container_client("dead")
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
    receiver: Receiver,
    status: int,
    policy: dict[str, int],
    reason: str,
    outcome: str,
) -> None:
    service = BlobServiceClient(
        f"https://{storage_account.name}.blob.core.windows.net", credential=DefaultAzureCredential()
    )
    service.create_container("dead")
    destination = {"resourceId": storage_account.id, "blobContainerName": "dead"}
    subscriber.put(
        "mine-too",
        receiver.url,
        retryPolicy=policy,
        deadLetterDestination={"endpointType": "StorageBlob", "properties": destination},
        filter={"subjectBeginsWith": "wanted"},
    )
    receiver.answers.extend([status] * 30)

    sent = tidepool.inject(subscriber.scope, blob_created("wanted"))
    for _ in each_settled(tidepool, [0, 40]):
        pass
    tried = len(receiver.deliveries)
    assert dead_letters(storage_account) == {}
    now = datetime.fromisoformat(tidepool.status()["now"])
    for _ in each_settled(tidepool, [301]):
        pass

    [(name, letters)] = dead_letters(storage_account).items()
    assert name.startswith(f"MINE-TOO/{now.year}/{now.month}/{now.day}/")
    [letter] = letters
    assert {**letter, **sent} == letter
    assert (letter["deadLetterReason"], letter["lastDeliveryOutcome"]) == (reason, outcome)
    assert letter["deliveryAttempts"] == tried == len(receiver.deliveries)
    assert letter["publishTime"] <= letter["lastDeliveryAttemptTime"]


def test_without_a_dead_letter_store_an_undeliverable_event_is_gone(
    tidepool: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    subscriber.put("mine", receiver.url, retryPolicy={"maxDeliveryAttempts": 1})
    receiver.answers.append(500)

    tidepool.inject(subscriber.scope, blob_created())
    for _ in each_settled(tidepool, [0, 24 * 3600]):
        pass

    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize(
    ("action", "value", "copies"), [("drop", None, 0), ("duplicate", None, 2), ("duplicate", 2, 3)]
)
def test_faults_drop_and_duplicate_events(  # noqa: PLR0917
    faults: Tidepool,
    subscriber: Subscriber,
    receiver: Receiver,
    action: str,
    value: float | None,
    copies: int,
) -> None:
    subscriber.put("mine", receiver.url)
    faults.fault("event", action, value=value, match={"subject": "*odd*"})

    for subject in ("odd", "even"):
        faults.inject(subscriber.scope, blob_created(subject))
    faults.settle()

    assert sorted(receiver.subjects) == ["even", *["odd"] * copies]


def test_faults_delay_events_past_later_ones(
    faults: Tidepool, subscriber: Subscriber, receiver: Receiver
) -> None:
    subscriber.put("mine", receiver.url)
    faults.fault("event", "delay", value=60, match={"subject": "first"})

    for subject in ("first", "second"):
        faults.inject(subscriber.scope, blob_created(subject))
    for _ in each_settled(faults, [0, 61]):
        pass

    assert receiver.subjects == ["second", "first"]


# Custom topics, through the real publisher


def grid_events(count: int) -> list[EventGridEvent]:
    return [EventGridEvent(f"/things/{number}", "Things.Made", {"n": number}, "1") for number in range(count)]


def test_the_sdk_publishes_events_and_they_come_in_batches(
    tidepool: Tidepool, custom_topic: Subscriber, receiver: Receiver
) -> None:
    custom_topic.put("batches", receiver.url, delivery={"maxEventsPerBatch": 10})

    EventGridPublisherClient(ENDPOINT, DefaultAzureCredential()).send(grid_events(25))
    tidepool.settle()

    assert sorted(receiver.subjects) == sorted(f"/things/{number}" for number in range(25))
    assert max(len(delivery.events) for delivery in receiver.deliveries) == 10
    assert receiver.deliveries[0].events[0]["topic"] == custom_topic.scope
    assert receiver.deliveries[0].events[0]["metadataVersion"] == "1"


def test_a_batch_stays_below_its_preferred_size(
    tidepool: Tidepool, custom_topic: Subscriber, receiver: Receiver
) -> None:
    custom_topic.put(
        "small", receiver.url, delivery={"maxEventsPerBatch": 100, "preferredBatchSizeInKilobytes": 1}
    )

    EventGridPublisherClient(ENDPOINT, DefaultAzureCredential()).send(grid_events(20))
    tidepool.settle()

    sizes = [len(json.dumps(delivery.body)) for delivery in receiver.deliveries]
    assert len(receiver.subjects) == 20
    assert 1 < len(sizes) < 20
    assert max(sizes) < 1100


def test_cloud_events_go_out_as_the_subscription_wants_them(
    tidepool: Tidepool, custom_topic: Subscriber, receiver: Receiver
) -> None:
    custom_topic.put("cloud", receiver.url, eventDeliverySchema="CloudEventSchemaV1_0")
    publisher = EventGridPublisherClient(ENDPOINT, DefaultAzureCredential())

    publisher.send([CloudEvent(source="/mine", type="Things.Made", subject="one", data={"n": 1})])
    publisher.send(grid_events(1))
    tidepool.settle()

    bodies = {delivery.body["source"]: delivery.body for delivery in receiver.deliveries}
    made, grid_made = bodies["/mine"], bodies[custom_topic.scope]
    assert (made["subject"], made["data"]) == ("one", {"n": 1})
    assert (grid_made["specversion"], grid_made["type"]) == ("1.0", "Things.Made")
    assert receiver.deliveries[0].headers["content-type"].startswith("application/cloudevents+json")


def test_a_wrong_key_is_refused(tidepool: Tidepool) -> None:
    publisher = EventGridPublisherClient(ENDPOINT, AzureKeyCredential("bm90IHRoZSBrZXk="))

    with pytest.raises(ClientAuthenticationError):
        publisher.send(grid_events(1))


# Parts of it in this process, where the inside matters


class Grid:
    """An Event Grid of one's own, and what its custom topic answers."""

    def __init__(self, store: Store) -> None:
        self.scheduler = Scheduler()
        self.identity = Identity(store=store, secret="s" * 32)
        self.eventgrid = EventGrid(
            store=store,
            scheduler=self.scheduler,
            blobs=None,  # type: ignore[arg-type] - nothing dies here
            faults=Faults(0),
            identity=self.identity,
        )
        self.topic_id = estate.custom_topic_id("mine")
        self.key = self.eventgrid.create_topic(self.topic_id)
        self.bearer = self.identity.issue("https://eventgrid.azure.net", "developer")

    async def post(self, body: Any, media_type: str = "application/json", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        transport = httpx.ASGITransport(self.eventgrid.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="https://mine.japaneast-1.eventgrid.azure.net"
        ) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post(
                "/api/events", content=content, headers={"content-type": media_type, **named}
            )


def run_grid(test: Callable[[Grid], Awaitable[None]], store: Store | None = None) -> None:
    async def run() -> None:
        grid = Grid(store or Store(":memory:"))
        scheduling = asyncio.create_task(grid.scheduler.run())
        try:
            await test(grid)
        finally:
            scheduling.cancel()
            await grid.eventgrid.close()

    asyncio.run(run())


def wire_event(**changed: Any) -> dict[str, Any]:
    event = {
        "id": "1",
        "subject": "/a",
        "eventType": "T",
        "eventTime": datetime.now(UTC).isoformat(),
        "dataVersion": "1",
        "data": {},
    }
    return {name: value for name, value in {**event, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        ([wire_event()], "application/json", 200),
        ([], "application/json", 200),
        ([wire_event(topic=estate.custom_topic_id("mine").upper())], "application/json", 200),
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
        wrong_audience = grid.identity.issue("https://management.azure.com", "developer")
        expired = grid.identity.issue("https://eventgrid.azure.net", "developer", lifetime_s=-1)
        answers = {
            "nobody": await grid.post([]),
            "key": await grid.post([], aeg_sas_key=grid.key),
            "wrong key": await grid.post([], aeg_sas_key="x" + grid.key),
            "bearer": await grid.post([], authorization=f"Bearer {grid.bearer}"),
            "wrong audience": await grid.post([], authorization=f"Bearer {wrong_audience}"),
            "expired": await grid.post([], authorization=f"Bearer {expired}"),
        }

        assert {name for name, answer in answers.items() if answer.status_code == 200} == {"key", "bearer"}
        assert {answer.status_code for answer in answers.values()} == {200, 401}

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


def webhook(url: str, **properties: Any) -> dict[str, Any]:
    return {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}, **properties}


async def quiet(grid: Grid) -> None:
    """Until nothing is on its way."""
    async with asyncio.timeout(10):
        while grid.eventgrid.delivering():
            await asyncio.sleep(0.005)


def test_undelivered_events_survive_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers.extend([500, 500])

    async def before(grid: Grid) -> None:
        await grid.eventgrid.subscribe(TOPIC, "mine", webhook(receiver.url))
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

    assert receiver.subjects == ["/kept"] * 3


def test_new_events_wait_while_an_endpoint_keeps_failing(receiver: Receiver) -> None:
    receiver.answers.extend([500] * 10)

    async def test(grid: Grid) -> None:
        await grid.eventgrid.subscribe(TOPIC, "mine", webhook(receiver.url))
        for number in range(10):
            await grid.eventgrid.publish(TOPIC, [wire_event(subject=f"/{number}", topic=TOPIC)])
            await quiet(grid)
        await grid.eventgrid.publish(TOPIC, [wire_event(subject="/new", topic=TOPIC)])
        await asyncio.sleep(0.05)

        assert "/new" not in receiver.subjects
        assert len(grid.eventgrid.pending()) == 11
        grid.scheduler.advance(60)
        await asyncio.sleep(0.05)
        await quiet(grid)
        assert grid.eventgrid.pending() == []

    run_grid(test)

    assert "/new" in receiver.subjects


def test_the_service_s_own_subscriptions_are_as_azure_wants_them(tmp_path: Path) -> None:
    from tidepool.subscriptions import Subscription, read_file

    topics = {name: f"{TOPIC}/{name}" for name in ("storage", "development", "production")}
    entries = read_file(
        Path("infra/subscriptions.yaml"),
        topics=topics,
        site="/subscriptions/s/providers/Microsoft.Web/sites/tidegate",
    )
    made = [Subscription.read(*entry) for entry in entries]
    own = wire_event(
        subject="/blobServices/default/containers/tidegate-rejected/blobs/x",
        eventType="Microsoft.Storage.BlobCreated",
    )
    months = wire_event(
        subject="/blobServices/default/containers/images/blobs/202611/x.png",
        eventType="Microsoft.Storage.BlobRenamed",
    )

    assert len({subscription.id for subscription in made}) == len(made) == 11
    assert not made[0].filter.matches(own)
    assert made[0].filter.matches(months)
    assert {subscription.destination.site for subscription in made} == {"tidegate"}


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
