"""Events that could not be delivered become blobs, five minutes later, in the documented path and shape."""

import json
import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from tidepool.delivery import Envelope
from tidepool.event_schemas import is_cloud_event
from tidepool.retries import outcome
from tidepool.scheduler import Scheduler
from tidepool.subscriptions import Subscription

log = logging.getLogger(__name__)

DELAY_S = 300.0
GIVE_UP_AFTER = timedelta(hours=4)


class BlobWriter(Protocol):
    """The part of `storage.Blobs` that is needed here."""

    async def write(self, account: str, container: str, name: str, data: bytes) -> object: ...


class DeadLetters:
    """Writes them; where the store is away it tries again for four hours, and then drops them."""

    def __init__(self, *, blobs: BlobWriter, scheduler: Scheduler) -> None:
        self._blobs = blobs
        self._scheduler = scheduler
        self._waiting: dict[str, int] = {}

    def bury(
        self, subscription: Subscription, envelopes: Sequence[Envelope], done: Callable[[Envelope], None]
    ) -> None:
        """Write them in five minutes; `done` is called for each once it is written or dropped."""
        store = subscription.dead_letter
        assert store is not None
        since = self._scheduler.now()

        async def write() -> None:
            name = blob_name(subscription.name, self._scheduler.now())
            try:
                await self._blobs.write(store.account, store.container, name, blob_body(envelopes))
            except Exception:
                log.exception("dead_letter_not_written subscription=%s blob=%s", subscription.name, name)
                if self._scheduler.now() - since < GIVE_UP_AFTER:
                    self._later(write, subscription.name)
                    return
                log.exception(
                    "dead_letter_dropped subscription=%s events=%s", subscription.name, len(envelopes)
                )
            for envelope in envelopes:
                done(envelope)

        self._later(write, subscription.name)

    def _later(self, write: Any, name: str) -> None:
        self._scheduler.call_later(DELAY_S, write, f"dead letters of {name}")


def blob_name(subscription: str, now: datetime) -> str:
    return f"{subscription.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}/{uuid.uuid4()}.json"


def blob_body(envelopes: Sequence[Envelope]) -> bytes:
    return json.dumps([_dead(envelope) for envelope in envelopes]).encode()


def _dead(envelope: Envelope) -> dict[str, Any]:
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
