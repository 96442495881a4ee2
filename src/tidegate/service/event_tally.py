"""The blob events that need no command, because a check that was sent covers them."""

from dataclasses import dataclass
from threading import Lock

from tidegate.messages.commands import CheckPartition, Origin

_MOST_PARTITIONS = 10_000


@dataclass(slots=True)
class _Events:
    """The number, the first and the last of some events: no Origin, because each blob changes it."""

    what: str
    first: str
    last: str
    events: int

    @property
    def origin(self) -> Origin:
        return Origin(what=self.what, first=self.first, last=self.last, events=self.events)


class EventTally:
    """The events of each partition that this process received since the last look.

    The next look of the process, or the next check that it sends, takes them. Events that reached another
    instance than the one that looks are counted with the next check that their instance sends.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._events: dict[str, _Events] = {}

    def add(self, command: CheckPartition, what: str) -> None:
        """Add the event of a check that is not sent. `what` is the type of the event."""
        self._add(command, _Events(what, command.cause, command.cause, 1))

    def add_replaced(self, command: CheckPartition) -> None:
        """Add the events of a check that another one replaces."""
        if origin := command.origin:
            first, last = origin.first or command.cause, origin.last or command.cause
            self._add(command, _Events(origin.what, first, last, origin.events))

    def with_earlier(self, command: CheckPartition) -> CheckPartition:
        """Return a check that is sent now, with the events before it."""
        if command.origin is None:
            return command
        return command.model_copy(update={"origin": command.origin.after(self._take(command))})

    def of_look(self, command: CheckPartition) -> Origin | None:
        """Return the events that a look covers: those of its command, and the later ones of this process.

        A check without a due time comes from a marker or a list, which is the last of its events.
        """
        others = self._take(command)
        if others is None or command.origin is None:
            return command.origin or others
        return others.after(command.origin) if command.due else command.origin.after(others)

    def _add(self, command: CheckPartition, more: _Events) -> None:
        key = _key(command)
        with self._lock:
            if known := self._events.get(key):
                known.last, known.events = more.last, known.events + more.events
            elif len(self._events) < _MOST_PARTITIONS:
                self._events[key] = more

    def _take(self, command: CheckPartition) -> Origin | None:
        if not self._events:
            return None
        with self._lock:
            events = self._events.pop(_key(command), None)
        return events.origin if events else None


def _key(command: CheckPartition) -> str:
    return f"{command.feed} {command.partition}"
