"""Event Grid: topics, their subscriptions, and what is published matched with who wants it."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from starlette.types import ASGIApp

from tidepool.access.identity import Identity
from tidepool.errors import AzureError, not_found
from tidepool.events.dead_letters import DeadLetters
from tidepool.events.delivery import Delivery
from tidepool.events.outbox import Outbox
from tidepool.events.push import Push
from tidepool.events.schemas import Event
from tidepool.events.subscriptions import COLLECTION, Subscription, read_file
from tidepool.events.topics import Topics
from tidepool.faults import Faults
from tidepool.functions.host import FunctionsApp
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

log = logging.getLogger(__name__)

_SUBSCRIPTIONS = "/eventgrid/subscriptions"
REMEMBERED = 10_000


class EventGrid:
    """A system topic exists by being published to, under an ARM id; custom topics are created."""

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        blobs: Blobs,
        faults: Faults,
        identity: Identity,
        apps: Mapping[str, FunctionsApp],
        seed: int = 0,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._faults = faults
        self._random = Random(seed)
        self._push = Push(apps)
        self._dead_letters = DeadLetters(blobs=blobs, scheduler=scheduler)
        self._topics = Topics(store=store, identity=identity, publish=self.publish)
        self._deliveries: dict[str, Delivery] = {}
        self.published: deque[Event] = deque(maxlen=REMEMBERED)

    @property
    def app(self) -> ASGIApp:
        """Serves `*.eventgrid.azure.net`."""
        return self._topics.app

    def create_topic(self, topic_id: str, key: str = "") -> str:
        """Make a custom topic, or find it; returns its access key."""
        return self._topics.create(topic_id, key)

    def start(self) -> None:
        """Take up the subscriptions and the undelivered events of a former process."""
        for _, document in self._store.children(_SUBSCRIPTIONS):
            if document["id"].lower() in self._deliveries:
                continue
            topic, _, name = document["id"].rpartition(f"{COLLECTION}/")
            self._open(Subscription.read(topic, name, document["properties"])).restore()

    async def close(self) -> None:
        """End all deliveries; what is undelivered stays in the store."""
        for delivery in self._deliveries.values():
            delivery.close(forget=False)
        await self._push.close()

    async def publish(self, topic_id: str, events: list[Event]) -> None:
        """Take over events of a topic: kept in the store when this returns, delivered as soon as can be."""
        deliveries = [delivery for delivery in self._deliveries.values() if _is_of(delivery, topic_id)]
        for event in events:
            self.published.append(event)
            wanted = [delivery for delivery in deliveries if delivery.subscription.filter.matches(event)]
            if not wanted:
                continue
            for after_s in self._faults.for_event(event):
                for delivery in wanted:
                    delivery.add(event, after_s)

    async def subscribe(self, scope: str, name: str, properties: Mapping[str, Any]) -> Document:
        """Create or replace an event subscription of a topic, after the handshake; the ARM resource."""
        subscription = Subscription.read(scope.rstrip("/"), name, properties)
        await self._push.shake_hands(subscription, self._scheduler.now())
        return self._keep(subscription, properties)

    async def subscribe_file(
        self, file: Path, *, topics: Mapping[str, str], site: str, prefix: str = ""
    ) -> list[Document]:
        """All subscriptions of `infra/subscriptions.yaml`; arguments as in `subscriptions.read_file`.

        A function that is not there (the app may have an error) does not stop the others: it gets its
        subscription all the same, as if made before the error came, and a line in the log.
        """
        made = []
        for scope, name, properties in read_file(file, topics=topics, site=site, prefix=prefix):
            subscription = Subscription.read(scope, name, properties)
            try:
                await self._push.shake_hands(subscription, self._scheduler.now())
            except AzureError as error:
                log.error("subscription_without_endpoint name=%s error=%s", name, error.message)  # noqa: TRY400
            made.append(self._keep(subscription, properties))
        return made

    def unsubscribe(self, scope: str, name: str) -> None:
        """Delete an event subscription; its undelivered events go with it."""
        subscription_id = f"{scope.rstrip('/')}{COLLECTION}/{name}"
        if not self._store.delete(_path(subscription_id)):
            raise not_found(subscription_id)
        self._deliveries.pop(subscription_id.lower()).close(forget=True)

    def subscription(self, scope: str, name: str) -> Document:
        """The ARM resource; AzureError 404."""
        subscription_id = f"{scope.rstrip('/')}{COLLECTION}/{name}"
        document = self._store.get(_path(subscription_id))
        if document is None:
            raise not_found(subscription_id)
        return document

    def subscriptions(self, scope: str) -> list[Document]:
        """The ARM resources of a topic's event subscriptions."""
        start = f"{scope.rstrip('/')}{COLLECTION}/".lower()
        documents = (document for _, document in self._store.children(_SUBSCRIPTIONS))
        return [document for document in documents if document["id"].lower().startswith(start)]

    def delivering(self) -> list[str]:
        """One line for each subscription that has events on their way right now."""
        counted = ((name, delivery.delivering()) for name, delivery in self._named())
        return [f"{name}: {count} events being delivered" for name, count in counted if count]

    def pending(self) -> list[str]:
        """Everything that is not delivered yet: on its way, or waiting for a retry."""
        waiting = [
            f"{name}: {envelope.event.get('subject')} due {due:%H:%M:%S}, after {envelope.attempts} attempts"
            for name, delivery in self._named()
            for due, envelope in delivery.waiting()
        ]
        return self.delivering() + waiting

    def _keep(self, subscription: Subscription, properties: Mapping[str, Any]) -> Document:
        document = _resource(subscription, properties)
        self._store.put(_path(subscription.id), document)
        self._open(subscription).restore()
        return document

    def _named(self) -> Iterator[tuple[str, Delivery]]:
        return ((delivery.subscription.name, delivery) for delivery in self._deliveries.values())

    def _open(self, subscription: Subscription) -> Delivery:
        former = self._deliveries.pop(subscription.id.lower(), None)
        if former:
            former.close(forget=False)
        delivery = Delivery(
            subscription,
            outbox=Outbox(self._store, subscription.id),
            scheduler=self._scheduler,
            send=self._push.send,
            bury=self._dead_letters.bury,
            random=self._random,
        )
        self._deliveries[subscription.id.lower()] = delivery
        return delivery


def _is_of(delivery: Delivery, topic_id: str) -> bool:
    return delivery.subscription.topic.lower() == topic_id.rstrip("/").lower()


def _path(subscription_id: str) -> str:
    return f"{_SUBSCRIPTIONS}/{subscription_id.strip('/').replace('/', '|')}"


def _resource(subscription: Subscription, properties: Mapping[str, Any]) -> Document:
    return {
        "id": subscription.id,
        "name": subscription.name,
        "type": "Microsoft.EventGrid/eventSubscriptions",
        "properties": {
            **properties,
            "topic": subscription.topic,
            "provisioningState": "Succeeded",
            "retryPolicy": {
                "maxDeliveryAttempts": subscription.max_attempts,
                "eventTimeToLiveInMinutes": subscription.time_to_live_s // 60,
            },
        },
    }
