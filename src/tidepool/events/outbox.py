"""The undelivered events of a subscription. The store keeps them, so that a restart loses no event."""

from dataclasses import dataclass, field
from datetime import datetime

from tidepool.events.schemas import Event
from tidepool.store import Document, Store


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """An event for one subscription, with the state of its delivery.

    `reason` is set when no further delivery is tried. The event is then written as a dead letter later.
    """

    key: str
    event: Event
    size: int
    published: datetime
    attempts: int = 0
    last_status: int = 0
    last_attempt: datetime | None = None
    reason: str = ""
    due: datetime | None = field(default=None, compare=False)


class Outbox:
    """The stored undelivered events of one subscription."""

    def __init__(self, store: Store, subscription_id: str) -> None:
        self._store = store
        self._path = f"/eventgrid/undelivered/{subscription_id.strip('/').replace('/', '|')}"

    def new_key(self) -> str:
        return f"{self._path}/{self._store.next('eventgrid')}"

    def save(self, envelope: Envelope) -> None:
        self._store.put(envelope.key, _to_document(envelope))

    def remove(self, envelope: Envelope) -> None:
        self._store.delete(envelope.key)

    def has(self, envelope: Envelope) -> bool:
        return self._store.get(envelope.key) is not None

    def load(self) -> list[Envelope]:
        return [_from_document(path, document) for path, document in self._store.children(self._path)]

    def clear(self) -> None:
        for path, _ in self._store.children(self._path):
            self._store.delete(path)


def _to_document(envelope: Envelope) -> Document:
    return {
        "event": envelope.event,
        "size": envelope.size,
        "published": envelope.published.isoformat(),
        "attempts": envelope.attempts,
        "last_status": envelope.last_status,
        "last_attempt": envelope.last_attempt and envelope.last_attempt.isoformat(),
        "reason": envelope.reason,
        "due": envelope.due and envelope.due.isoformat(),
    }


def _from_document(path: str, document: Document) -> Envelope:
    times = {
        name: document[name] and datetime.fromisoformat(document[name])
        for name in ("published", "last_attempt", "due")
    }
    return Envelope(key=path, **{**document, **times})
