"""The queue messages that passed the gateway: their newest pop receipts and when they become visible."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode
from xml.etree import ElementTree

from tidepool.scheduler import Scheduler
from tidepool.storage.azurite_client import Answer
from tidepool.storage.request import StorageRequest
from tidepool.store import Store

_MESSAGES = re.compile(r"([^/]+)/messages(?:/([^/]+))?")
_COLLECTION = "/queued"
_DEFAULT_LIFETIME_S = 7 * 24 * 3600
_CLOCK_MARGIN_S = 0.02  # Azurite and Tidepool read the clock at different moments
Key = tuple[str, str, str]


@dataclass(frozen=True)
class QueuedMessage:
    """A message that is not deleted.

    `due` is the emulated time at which the message becomes visible. `held` is true while a functions host
    processes the message. `expires` is the emulated time at which the message is deleted, or None.
    """

    account: str
    queue: str
    id: str
    pop_receipt: str
    due: datetime
    held: bool
    expires: datetime | None = None

    @property
    def key(self) -> Key:
        return self.account, self.queue, self.id

    @property
    def label(self) -> str:
        return f"message {self.id} in {self.queue}"

    @property
    def path(self) -> str:
        return "/".join((_COLLECTION, *self.key))

    def release_target(self) -> str:
        """Return the URL path of the Update Message request that makes the message visible at once."""
        return self._update_target(self.pop_receipt)

    def delete_target(self) -> str:
        """Return the URL path of the Delete Message request."""
        return f"/{self.queue}/messages/{self.id}?{urlencode({'popreceipt': self.pop_receipt})}"

    def probe_target(self) -> str:
        """Return the URL path of an Update Message request that has a wrong pop receipt.

        This request changes nothing. Azurite answers 404 if it does not have the message.
        """
        return self._update_target("none")

    def _update_target(self, pop_receipt: str) -> str:
        query = urlencode({"popreceipt": pop_receipt, "visibilitytimeout": 0})
        return f"/{self.queue}/messages/{self.id}?{query}"


class QueueWatch:
    """The messages of all queues. It calls `visible(account, queue)` when a message can be received."""

    def __init__(self, *, store: Store, scheduler: Scheduler, visible: Callable[[str, str], None]) -> None:
        self._store = store
        self._scheduler = scheduler
        self._visible = visible
        self._messages: dict[Key, QueuedMessage] = {}
        for _, document in store.below(_COLLECTION):
            due, expires = datetime.fromisoformat(document["due"]), document.get("expires")
            expires = datetime.fromisoformat(expires) if expires else None
            message = QueuedMessage(**{**document, "due": due, "expires": expires, "held": False})
            self._messages[message.key] = message

    def observe(self, request: StorageRequest, answer: Answer, *, holds: bool) -> None:
        """Record the effect of a request after the response.

        `holds` is true if a functions host processes the messages of the request.
        """
        if answer.status >= 300:
            return
        match = _MESSAGES.fullmatch("/".join(request.segments).rstrip("/"))
        if match is None:
            if request.method == "DELETE":
                self._forget_queue(request.account, request.segments[0])
            return
        queue, message_id = match.groups()
        due = self._due(_delay_s(request))
        if request.method == "DELETE":
            self._forget_key((request.account, queue, message_id))
        elif request.method == "PUT" and message_id:
            key, receipt = (request.account, queue, message_id), answer.header("x-ms-popreceipt")
            self._record(QueuedMessage(*key, receipt, due, holds, self._expiry(request, key)))
        elif request.query.get("peekonly", "").lower() != "true":
            for element in ElementTree.fromstring(answer.body or b"<None/>").iter("QueueMessage"):
                fields = {child.tag: child.text or "" for child in element}
                key, receipt = (request.account, queue, fields["MessageId"]), fields["PopReceipt"]
                self._record(QueuedMessage(*key, receipt, due, holds, self._expiry(request, key)))

    def waiting(self, within_s: float) -> list[QueuedMessage]:
        """Return the messages that no host holds and that are visible within `within_s` seconds.

        They are sorted by the time at which they become visible.
        """
        until = self._due(within_s)
        waiting = [
            message for message in self._messages.values() if message.due <= until and not message.held
        ]
        return sorted(waiting, key=lambda message: message.due)

    def unfinished(self, within_s: float) -> list[QueuedMessage]:
        """Return the messages that a functions host holds or that are visible within `within_s` seconds."""
        until = self._due(within_s)
        return [message for message in self._messages.values() if message.held or message.due <= until]

    def all(self) -> list[QueuedMessage]:
        """Return all messages that are not deleted."""
        return list(self._messages.values())

    def expired(self) -> list[QueuedMessage]:
        """Return the messages whose time to live has ended in emulated time."""
        now = self._scheduler.now()
        return [message for message in self._messages.values() if message.expires and message.expires <= now]

    def forget(self, message: QueuedMessage) -> None:
        """Forget a message that Azurite lost. Azurite was killed before it saved this message."""
        self._forget_key(message.key)

    def release(self, account: str, queue: str) -> None:
        """Release the messages of a queue, because the functions host that held them has stopped."""
        for key, message in list(self._messages.items()):
            if key[:2] == (account, queue) and message.held:
                self._record(replace(message, held=False))

    def _due(self, delay_s: float) -> datetime:
        return self._scheduler.now() + timedelta(seconds=delay_s)

    def _expiry(self, request: StorageRequest, key: Key) -> datetime | None:
        """Return when a message expires: as the request says that adds it, and later as recorded."""
        if request.method != "POST":
            known = self._messages.get(key)
            return known.expires if known else None
        seconds = int(request.query.get("messagettl") or _DEFAULT_LIFETIME_S)
        return None if seconds < 0 else self._due(seconds)

    def _record(self, message: QueuedMessage) -> None:
        self._messages[message.key] = message
        times = {"due": message.due.isoformat(), "expires": message.expires and message.expires.isoformat()}
        self._store.put(message.path, {**asdict(message), **times})
        wait_s = (message.due - self._scheduler.now()).total_seconds()
        if wait_s <= 0:
            self._visible(message.account, message.queue)
        elif not message.held:
            self._scheduler.call_later(
                wait_s + _CLOCK_MARGIN_S, partial(self._appears, message), message.label
            )

    async def _appears(self, message: QueuedMessage) -> None:
        self._visible(message.account, message.queue)

    def _forget_queue(self, account: str, queue: str) -> None:
        for key in [key for key in self._messages if key[:2] == (account, queue)]:
            self._forget_key(key)

    def _forget_key(self, key: Key) -> None:
        message = self._messages.pop(key, None)
        if message:
            self._store.delete(message.path)


def _delay_s(request: StorageRequest) -> int:
    return int(request.query.get("visibilitytimeout") or (30 if request.method == "GET" else 0))
