"""Event Grid: topics, event subscriptions, and the delivery of published events to matching subscriptions."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from starlette.types import ASGIApp

from tidepool.access.identity import Identity
from tidepool.access.principals import Principal
from tidepool.errors import AzureError, not_found
from tidepool.events.dead_letters import DeadLetters
from tidepool.events.delivery import Delivery
from tidepool.events.outbox import Outbox
from tidepool.events.push import Push
from tidepool.events.queue_destination import QueueDestination
from tidepool.events.schemas import Event
from tidepool.events.subscriptions import COLLECTION, Subscription, read_file
from tidepool.events.system_topics import SystemTopics, TopicIdentity
from tidepool.events.topics import Topics
from tidepool.faults import Faults
from tidepool.functions.host import FunctionsApp
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.storage.gateway import StorageGateway
from tidepool.store import Document, Store

log = logging.getLogger(__name__)

_SUBSCRIPTIONS = "/eventgrid/subscriptions"
KEPT_EVENTS = 10_000


class EventGrid:
    """The Event Grid of a Tidepool.

    A system topic does not have to be created, because publishing under an ARM id is enough. A custom topic
    must be created. `published` contains the newest events. `apps` contains the running functions apps by
    name.
    """

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        blobs: Blobs,
        storage: StorageGateway,
        faults: Faults,
        identity: Identity,
        apps: Mapping[str, FunctionsApp],
        topic_key: str,
        seed: int = 0,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._faults = faults
        self._random = Random(seed)
        self.system_topics = SystemTopics(store)
        self._push = Push(apps, QueueDestination(storage, self._principal))
        self._dead_letters = DeadLetters(blobs=blobs, scheduler=scheduler, principal_of=self._principal)
        self.topics = Topics(store=store, identity=identity, publish=self.publish, key=topic_key)
        self._deliveries: dict[str, Delivery] = {}
        self.published: deque[Event] = deque(maxlen=KEPT_EVENTS)

    @property
    def app(self) -> ASGIApp:
        """The ASGI app of `*.eventgrid.azure.net`."""
        return self.topics.app

    def start(self) -> None:
        """Load the subscriptions and the undelivered events of an earlier process."""
        for _, document in self._store.children(_SUBSCRIPTIONS):
            if document["id"].lower() in self._deliveries:
                continue
            topic, _, name = document["id"].rpartition(f"{COLLECTION}/")
            self._open(Subscription.read(topic, name, document["properties"])).restore()

    def _principal(self, topic_id: str, identity: TopicIdentity) -> Principal:
        """Return the principal of an identity of a custom topic, or of the system topic of a resource."""
        custom = self.topics.at(topic_id)
        return (
            identity.principal(custom, topic_id)
            if custom
            else self.system_topics.principal(topic_id, identity)
        )

    async def close(self) -> None:
        """Stop all deliveries. Undelivered events stay in the store."""
        for delivery in self._deliveries.values():
            delivery.close(forget=False)
        await self._push.close()

    async def publish(self, topic_id: str, events: list[Event]) -> None:
        """Save events of a topic in the store, then deliver them to the matching subscriptions."""
        deliveries = [delivery for delivery in self._deliveries.values() if _is_of(delivery, topic_id)]
        for event in events:
            self.published.append(event)
            matching = [delivery for delivery in deliveries if delivery.subscription.filter.matches(event)]
            if not matching:
                continue
            for after_s in self._faults.for_event(event):
                for delivery in matching:
                    delivery.add(event, after_s)

    async def subscribe(self, scope: str, name: str, properties: Mapping[str, Any]) -> Document:
        """Create or replace an event subscription of a topic and return its ARM resource.

        Raise AzureError 400 if the properties are invalid or the endpoint fails the validation handshake.
        """
        subscription = Subscription.read(scope.rstrip("/"), name, properties)
        self._check(subscription)
        await self._push.validate(subscription, self._scheduler.now())
        return self._keep(subscription, properties)

    async def subscribe_file(
        self, file: Path, *, topics: Mapping[str, str], site: str, prefix: str = ""
    ) -> list[Document]:
        """Create all subscriptions of `infra/subscriptions.yaml`.

        The arguments are those of `subscriptions.read_file`. If a function is missing, all subscriptions are
        still created, because the app may have an error that is repaired later. The log names each
        subscription whose function is missing.
        """
        documents = []
        for scope, name, properties in read_file(file, topics=topics, site=site, prefix=prefix):
            subscription = Subscription.read(scope, name, properties)
            try:
                await self._push.validate(subscription, self._scheduler.now())
            except AzureError as error:
                log.error("subscription_without_endpoint name=%s error=%s", name, error.message)  # noqa: TRY400
            documents.append(self._keep(subscription, properties))
        return documents

    def unsubscribe(self, scope: str, name: str) -> None:
        """Delete an event subscription and its undelivered events.

        Raise AzureError 404 if the subscription does not exist.
        """
        subscription_id = f"{scope.rstrip('/')}{COLLECTION}/{name}"
        if not self._store.delete(_path(subscription_id)):
            raise not_found(subscription_id)
        self._deliveries.pop(subscription_id.lower()).close(forget=True)

    def unsubscribe_app(self, name: str) -> None:
        """Delete all event subscriptions that deliver to a functions app."""
        for subscription in [delivery.subscription for delivery in self._deliveries.values()]:
            if subscription.destination.site == name:
                self.unsubscribe(subscription.topic, subscription.name)

    def apps_with_subscriptions(self) -> set[str]:
        """Return the names of the functions apps to which event subscriptions deliver."""
        sites = (delivery.subscription.destination.site for delivery in self._deliveries.values())
        return {site for site in sites if site}

    def subscription(self, scope: str, name: str) -> Document:
        """Return the ARM resource of a subscription. Raise AzureError 404 if it does not exist."""
        subscription_id = f"{scope.rstrip('/')}{COLLECTION}/{name}"
        document = self._store.get(_path(subscription_id))
        if document is None:
            raise not_found(subscription_id)
        return document

    def subscriptions(self, scope: str) -> list[Document]:
        """Return the ARM resources of a topic's event subscriptions."""
        start = f"{scope.rstrip('/')}{COLLECTION}/".lower()
        documents = (document for _, document in self._store.children(_SUBSCRIPTIONS))
        return [document for document in documents if document["id"].lower().startswith(start)]

    def delivering(self) -> list[str]:
        """Return one line for each subscription whose events are being delivered now."""
        counts = ((name, delivery.delivering()) for name, delivery in self._named())
        return [f"{name}: {count} events being delivered" for name, count in counts if count]

    def pending(self) -> list[str]:
        """Return one line for each event that is being delivered now or waits for a retry."""
        waiting = [
            f"{name}: {envelope.event.get('subject')} due {due:%H:%M:%S}, after {envelope.attempts} attempts"
            for name, delivery in self._named()
            for due, envelope in delivery.waiting()
        ]
        return self.delivering() + waiting

    def _check(self, subscription: Subscription) -> None:
        """Raise AzureError 400 if the topic lacks an identity of a subscription, or if it has expired."""
        for identity in (subscription.delivery_identity, subscription.dead_letter_identity):
            if identity is not None:
                self._principal(subscription.topic, identity)
        if subscription.expires is not None and subscription.expires <= self._scheduler.now():
            raise AzureError(
                400, "InvalidRequest", f"expirationTimeUtc is {subscription.expires}, which is in the past."
            )

    def _end_at_expiration(self, delivery: Delivery) -> None:
        """Delete the subscription of a delivery at its time of expiration, unless it is replaced before."""
        subscription = delivery.subscription
        if subscription.expires is None:
            return

        async def end() -> None:
            if self._deliveries.get(subscription.id.lower()) is delivery:
                self.unsubscribe(subscription.topic, subscription.name)

        after_s = max(0.0, (subscription.expires - self._scheduler.now()).total_seconds())
        self._scheduler.call_later(after_s, end, f"expiration of the event subscription {subscription.name}")

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
            write_dead_letters=self._dead_letters.write_later,
            random=self._random,
        )
        self._deliveries[subscription.id.lower()] = delivery
        self._end_at_expiration(delivery)
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
