"""What the gateway saw of queue messages: where each is, its newest pop receipt, when it is due.

Sends nothing.
"""

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
_KEPT = "/queued"
_SURELY_S = 0.02  # Azurite's clock and ours are read at different moments
Key = tuple[str, str, str]


@dataclass(frozen=True)
class QueuedMessage:
    """A message that is not deleted.

    `due`: emulated time at which it is (again) visible; `held`: by a functions host.
    """

    account: str
    queue: str
    id: str
    pop_receipt: str
    due: datetime
    held: bool

    @property
    def key(self) -> Key:
        return self.account, self.queue, self.id

    @property
    def label(self) -> str:
        return f"message {self.id} in {self.queue}"

    @property
    def kept_at(self) -> str:
        return "/".join((_KEPT, *self.key))

    def release_target(self) -> str:
        """The Update Message that makes it visible now."""
        return self._update_target(self.pop_receipt)

    def probe_target(self) -> str:
        """An Update Message that changes nothing, as its receipt is wrong: 404 where the message is gone."""
        return self._update_target("none")

    def _update_target(self, pop_receipt: str) -> str:
        query = urlencode({"popreceipt": pop_receipt, "visibilitytimeout": 0})
        return f"/{self.queue}/messages/{self.id}?{query}"


class QueueWatch:
    """The messages of all queues; `visible(account, queue)` is called when one can be received."""

    def __init__(self, *, store: Store, scheduler: Scheduler, visible: Callable[[str, str], None]) -> None:
        self._store = store
        self._scheduler = scheduler
        self._visible = visible
        self._messages: dict[Key, QueuedMessage] = {}
        for _, kept in store.below(_KEPT):
            due = datetime.fromisoformat(kept["due"])
            message = QueuedMessage(**{**kept, "due": due, "held": False})
            self._messages[message.key] = message

    def saw(self, request: StorageRequest, answer: Answer, *, holds: bool) -> None:
        """Take note of an answered request to a queue; `holds`: a functions host works on them now."""
        if answer.status >= 300:
            return
        match = _MESSAGES.fullmatch("/".join(request.segments).rstrip("/"))
        if match is None:
            if request.method == "DELETE":
                self._forget(request.account, request.segments[0])
            return
        queue, message_id = match.groups()
        delay_s = _delay_s(request)
        if request.method == "DELETE":
            self._forget(request.account, queue, message_id)
        elif request.method == "PUT" and message_id:
            receipt = answer.header("x-ms-popreceipt")
            self._note(QueuedMessage(request.account, queue, message_id, receipt, self._due(delay_s), holds))
        elif request.query.get("peekonly", "").lower() != "true":
            for element in ElementTree.fromstring(answer.body or b"<None/>").iter("QueueMessage"):
                found = {child.tag: child.text or "" for child in element}
                message_id, receipt = found["MessageId"], found["PopReceipt"]
                due = self._due(delay_s)
                self._note(QueuedMessage(request.account, queue, message_id, receipt, due, holds))

    def waiting(self, within_s: float) -> list[QueuedMessage]:
        """Messages that no host holds and that are visible, or will be in so many seconds; soonest first."""
        until = self._due(within_s)
        found = [message for message in self._messages.values() if message.due <= until and not message.held]
        return sorted(found, key=lambda message: message.due)

    def unfinished(self, within_s: float) -> list[QueuedMessage]:
        """The same, and those that a functions host holds."""
        until = self._due(within_s)
        return [message for message in self._messages.values() if message.held or message.due <= until]

    def kept(self) -> list[QueuedMessage]:
        """All messages that are known of."""
        return list(self._messages.values())

    def lost(self, message: QueuedMessage) -> None:
        """Azurite does not have it: it was killed before it had written it down."""
        self._forget(*message.key)

    def let_go(self, account: str, queue: str) -> None:
        """The functions host that held messages of this queue is gone."""
        for key, message in self._messages.items():
            if key[:2] == (account, queue):
                self._messages[key] = replace(message, held=False)

    def _due(self, delay_s: float) -> datetime:
        return self._scheduler.now() + timedelta(seconds=delay_s)

    def _note(self, message: QueuedMessage) -> None:
        self._messages[message.key] = message
        self._store.put(message.kept_at, {**asdict(message), "due": message.due.isoformat()})
        wait_s = (message.due - self._scheduler.now()).total_seconds()
        if wait_s <= 0:
            self._visible(message.account, message.queue)
        elif not message.held:
            self._scheduler.call_later(wait_s + _SURELY_S, partial(self._appears, message), message.label)

    async def _appears(self, message: QueuedMessage) -> None:
        self._visible(message.account, message.queue)

    def _forget(self, account: str, queue: str, message_id: str | None = None) -> None:
        wanted = (account, queue) if message_id is None else (account, queue, message_id)
        for key in [key for key in self._messages if key[: len(wanted)] == wanted]:
            self._store.delete(self._messages.pop(key).kept_at)


def _delay_s(request: StorageRequest) -> int:
    return int(request.query.get("visibilitytimeout") or (30 if request.method == "GET" else 0))
