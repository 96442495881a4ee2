"""What the gateway saw of queue messages: where each is, its newest pop receipt, when it is due. Sends nothing."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from xml.etree import ElementTree

from tidepool.azurite_client import Answer
from tidepool.scheduler import Scheduler
from tidepool.storage_request import StorageRequest

_MESSAGES = re.compile(r"([^/]+)/messages(?:/([^/]+))?")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class QueuedMessage:
    """A message that is not deleted. `due`: emulated time at which it is (again) visible; `leased`: somebody has it."""

    account: str
    queue: str
    id: str
    pop_receipt: str
    due: datetime
    leased: bool

    def release_target(self) -> str:
        """The Update Message that makes it visible now."""
        return f"/{self.queue}/messages/{self.id}?popreceipt={quote(self.pop_receipt, safe='')}&visibilitytimeout=0"


class QueueWatch:
    """The messages of all queues, as their answers told."""

    def __init__(self, *, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._messages: dict[Key, QueuedMessage] = {}

    def saw(self, request: StorageRequest, answer: Answer) -> None:
        """Take note of an answered request to a queue."""
        if answer.status >= 300:
            return
        match = _MESSAGES.fullmatch("/".join(request.segments).rstrip("/"))
        if match is None:
            if request.method == "DELETE":
                self._forget(request.account, request.segments[0])
            return
        queue, message_id = match.groups()
        if request.method == "DELETE":
            self._forget(request.account, queue, message_id)
        elif request.method == "PUT" and message_id:
            self._note(request, queue, message_id, answer.header("x-ms-popreceipt"), default_s=0)
        elif request.query.get("peekonly", "").lower() != "true":
            default_s = 30 if request.method == "GET" else 0
            for element in ElementTree.fromstring(answer.body or b"<None/>").iter("QueueMessage"):
                found = {child.tag: child.text or "" for child in element}
                self._note(request, queue, found["MessageId"], found["PopReceipt"], default_s=default_s)

    def waiting(self, within_s: float) -> list[QueuedMessage]:
        """Messages that are visible, or will be within so many seconds, soonest first."""
        until = self._scheduler.now() + timedelta(seconds=within_s)
        return sorted((m for m in self._messages.values() if m.due <= until), key=lambda message: message.due)

    def clear(self) -> None:
        self._messages.clear()

    def _note(
        self, request: StorageRequest, queue: str, message_id: str, pop_receipt: str, *, default_s: int
    ) -> None:
        delay_s = int(request.query.get("visibilitytimeout") or default_s)
        due = self._scheduler.now() + timedelta(seconds=delay_s)
        key = (request.account, queue, message_id)
        self._messages[key] = QueuedMessage(*key, pop_receipt, due, leased=request.method == "GET")

    def _forget(self, account: str, queue: str, message_id: str | None = None) -> None:
        wanted = (account, queue) if message_id is None else (account, queue, message_id)
        for key in [key for key in self._messages if key[: len(wanted)] == wanted]:
            del self._messages[key]
