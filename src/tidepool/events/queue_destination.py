"""Deliveries to storage queues: one message for each event."""

import base64
import json
from collections.abc import Callable, Sequence
from urllib.parse import quote

from tidepool.access.principals import Principal
from tidepool.errors import AzureError
from tidepool.events.outbox import Envelope
from tidepool.events.schemas import to_cloud_event
from tidepool.events.subscriptions import CLOUD_EVENT_SCHEMA, Subscription
from tidepool.events.system_topics import TopicIdentity
from tidepool.storage.gateway import StorageGateway

PrincipalOf = Callable[[str, TopicIdentity], Principal]


class QueueDestination:
    """The sender of messages. With an identity, a subscription sends them as its topic."""

    def __init__(self, storage: StorageGateway, principal_of: PrincipalOf) -> None:
        self._storage = storage
        self._principal_of = principal_of

    async def send(self, subscription: Subscription, batch: Sequence[Envelope]) -> int:
        """Add a message for an event, and return the status of the response. Such a batch has one event."""
        destination, identity = subscription.destination, subscription.delivery_identity
        event = batch[0].event
        sent = to_cloud_event(event) if subscription.schema == CLOUD_EVENT_SCHEMA else event
        text = base64.b64encode(json.dumps(sent, ensure_ascii=False).encode()).decode()
        body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        target = f"/{quote(destination.queue)}/messages?messagettl={destination.message_ttl_s}"
        try:
            principal = self._principal_of(subscription.topic, identity) if identity else None
            answer = await self._storage.send(
                destination.account, "queue", "POST", target, body=body, principal=principal
            )
        except AzureError as error:
            return error.status
        return answer.status

    async def check(self, subscription: Subscription) -> None:
        """Raise AzureError 400 if the queue does not exist."""
        destination = subscription.destination
        target = f"/{quote(destination.queue)}?comp=metadata"
        answer = await self._storage.send(destination.account, "queue", "GET", target)
        if answer.status >= 400:
            raise AzureError(
                400,
                "InvalidRequest",
                f"The queueName '{destination.queue}' is no queue of the account '{destination.account}'.",
            )
