"""Dead letters: blobs with undeliverable events, in Azure's format and under the same path as in Azure."""

import json
import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tidepool.events.outbox import Envelope, Outbox
from tidepool.events.queue_destination import PrincipalOf
from tidepool.events.retries import outcome
from tidepool.events.schemas import is_cloud_event
from tidepool.events.subscriptions import Subscription
from tidepool.scheduler import Action, Scheduler
from tidepool.storage.blobs import Blobs

log = logging.getLogger(__name__)

DELAY_S = 300.0
GIVE_UP_AFTER = timedelta(hours=4)


class DeadLetters:
    """The writer of dead letters. With an identity, a subscription writes them as its topic.

    If writing fails, the writer tries again for four hours, then drops the events.
    """

    def __init__(self, *, blobs: Blobs, scheduler: Scheduler, principal_of: PrincipalOf) -> None:
        self._blobs = blobs
        self._principal_of = principal_of
        self._scheduler = scheduler

    def write_later(self, subscription: Subscription, envelopes: Sequence[Envelope], outbox: Outbox) -> None:
        """Write events after five minutes. Remove them from the outbox when they are written or dropped."""
        store = subscription.dead_letter
        assert store is not None
        since = self._scheduler.now()

        async def write() -> None:
            dead = [envelope for envelope in envelopes if outbox.has(envelope)]
            name = blob_name(subscription.name, self._scheduler.now())
            try:
                if dead:
                    blobs = self._blobs_of(subscription)
                    await blobs.write(store.account, store.container, name, blob_body(dead))
            except Exception:
                log.exception("dead_letter_not_written subscription=%s blob=%s", subscription.name, name)
                if self._scheduler.now() - since < GIVE_UP_AFTER:
                    self._schedule(write, subscription.name)
                    return
                log.exception("dead_letter_dropped subscription=%s events=%s", subscription.name, len(dead))
            for envelope in dead:
                outbox.remove(envelope)

        self._schedule(write, subscription.name)

    def _blobs_of(self, subscription: Subscription) -> Blobs:
        identity = subscription.dead_letter_identity
        if identity is None:
            return self._blobs
        return self._blobs.acting_as(self._principal_of(subscription.topic, identity))

    def _schedule(self, write: Action, name: str) -> None:
        self._scheduler.call_later(DELAY_S, write, f"dead letters of {name}")


def blob_name(subscription: str, now: datetime) -> str:
    return f"{subscription.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}/{uuid.uuid4()}.json"


def blob_body(envelopes: Sequence[Envelope]) -> bytes:
    return json.dumps([_dead_letter(envelope) for envelope in envelopes]).encode()


def _dead_letter(envelope: Envelope) -> dict[str, Any]:
    facts = {
        "deadLetterReason": envelope.reason,
        "deliveryAttempts": envelope.attempts,
        "lastDeliveryOutcome": outcome(envelope.last_status),
        "publishTime": _time(envelope.published),
        "lastDeliveryAttemptTime": _time(envelope.last_attempt or envelope.published),
    }
    if is_cloud_event(envelope.event):
        facts = {name.lower(): value for name, value in facts.items()}
    return {**envelope.event, **facts}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
