"""The inbox: it turns events into commands, and sends them before Event Grid gets the response.

It uses nothing but the work queue, so that events are accepted whatever else hangs.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from tidegate.errors import TransientError
from tidegate.log import Log, bound
from tidegate.messages.commands import (
    FROM_TIMER,
    AnyCommand,
    CheckPartition,
    Follows,
    Origin,
    Reconcile,
    RecordEvent,
    command_ids,
)
from tidegate.messages.event_parser import parse
from tidegate.messages.events import Event
from tidegate.messages.queue_messages import fits_in_message
from tidegate.service.event_tally import EventTally
from tidegate.service.meanings import Ignore, Meaning, RecordActivity, Reject, Send, with_origin
from tidegate.service.routing import Routes
from tidegate.service.single_flight import SingleFlight

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_TOO_SOON = timedelta(seconds=5)  # a check that is due sooner may list the files before the new blob appears
_RECORDED_AGAIN_AFTER = timedelta(hours=1)
_MAX_REMEMBERED = 10_000
# If the queue did not answer, further events are refused at once for this time. Otherwise each of them would
# occupy a thread until its own time-out.
_REFUSE_S = 2.0
_SLOW_S = 1.0


class Inbox:
    """The inbox of a process. Sent checks are remembered, so that a burst of blobs causes few checks."""

    def __init__(
        self,
        *,
        routes: Callable[[], Routes],
        queue: "WorkQueue",
        record: Callable[[RecordEvent], Follows],
        now: Callable[[], datetime],
        tally: EventTally,
    ) -> None:
        self._routes = routes
        self._queue = queue
        self._tally = tally
        self._record_now = record
        self._now = now
        self._lock = Lock()
        self._flights = SingleFlight()
        self._refusing_until = 0.0
        # The time until which a check or rejection also covers later events.
        self._remembered: dict[str, datetime] = {}

    def accept(self, raw: str) -> None:
        """Turn the events of a delivery into commands.

        Raise ConfigError if tidegate.yml has a fault, and TransientError if the queue is not available.
        Event Grid then delivers the events again.
        """
        routes, now = self._routes(), self._now()
        to_record: dict[str, Event] = {}
        for event in parse(raw):
            for meaning in routes.meanings(event, now):
                if isinstance(meaning, Send) and self._is_covered(meaning, now):
                    self._count(meaning, event.type)
                    continue  # this comes first, because most events of a burst need nothing more
                with bound(event_id=event.id, event_type=event.type):
                    if key := self._apply(with_origin(meaning, event), now):
                        to_record[key] = event
        if to_record:
            self._flights.run(" ".join(to_record), lambda: self._record(to_record, raw, now))

    def replay(self, raw: str) -> list[Meaning]:
        """Accept a delivery that was rejected, and return what it means now.

        If any of its events is rejected again, nothing is accepted.
        """
        routes, now = self._routes(), self._now()
        meanings = [meaning for event in parse(raw) for meaning in routes.meanings(event, now)]
        if not any(isinstance(meaning, Reject) for meaning in meanings):
            self.accept(raw)
        return meanings

    def tick(self) -> None:
        """Send the command that looks at everything unfinished. The timer calls this."""
        self._queue.send(Reconcile(cause=f"{FROM_TIMER}{self._now():%Y%m%dT%H%M%S}"))

    def _apply(self, meaning: Meaning, now: datetime) -> str | None:
        """Send what an event leads to. If the event is to be recorded, return a key of what it is about.

        Of many events about the same thing, such as a folder that is no partition, one is recorded each hour.
        """
        match meaning:
            case Send(command) as send if isinstance(command, CheckPartition) and command.due:
                self._send_check(send, command, now)
            case Send(command):
                self._put(command)
            case RecordActivity(activity):
                return self._unless_remembered(f"{activity.subject} {activity.id}", now)
            case Reject(about):
                return self._unless_remembered(f"rejected {about}", now)
            case Ignore(reason):
                log.debug("event_ignored", reason=reason)
        return None

    def _unless_remembered(self, key: str, now: datetime) -> str | None:
        """Return the key if nothing was recorded about it within the last hour."""
        return key if self._remembered.get(key, now) <= now else None

    def _send_check(self, send: Send, command: CheckPartition, now: datetime) -> None:
        """Send a check with a due time. Other events of the partition wait until it was sent.

        The message itself is not delayed: the handler records it, so that it replaces earlier checks.
        """
        due = command.due or now

        def send_and_remember() -> None:
            if self._is_covered(send, now):
                self._tally.add_replaced(command)
            else:
                self._put_check(command)
                self._remember(_key(command), due, now)

        while not self._flights.run(_key(command), send_and_remember):
            if self._is_covered(send, now):
                self._tally.add_replaced(command)
                return

    def _put_check(self, command: CheckPartition) -> None:
        """Send a check with the events that were received since the last one."""
        counted = self._tally.with_earlier(command)
        try:
            self._put(counted)
        except TransientError:  # Event Grid delivers this event again, and the earlier ones it does not
            self._tally.add_replaced(counted)
            raise

    def _count(self, covered: Send, what: str) -> None:
        if isinstance(covered.command, CheckPartition):
            self._tally.add(covered.command, what)

    def _is_covered(self, send: Send, now: datetime) -> bool:
        """Return whether a check that was sent will list late enough to include the new blob."""
        command = send.command
        if not isinstance(command, CheckPartition) or command.due is None:
            return False
        due = self._remembered.get(_key(command))
        return due is not None and due - now > min(_TOO_SOON, send.delay / 2)

    def _remember(self, key: str, until: datetime, now: datetime) -> None:
        with self._lock:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered = {kept: due for kept, due in self._remembered.items() if due > now}
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[key] = until

    def _record(self, events: Mapping[str, Event], raw: str, now: datetime) -> None:
        """Have the events of a delivery recorded. A delivery that is too large for a message is recorded now.

        `events` are those that are to be recorded, by what they are about.
        """
        first = next(iter(events.values()))
        origin = Origin(what=_encodable(first.type))
        command = RecordEvent(cause=_encodable(first.id), origin=origin, event=_encodable(raw), at=now)
        if fits_in_message(command):
            self._put(command)
        else:
            for follow in self._record_now(command):
                self._put(follow.command, follow.delay)
        for key in events:
            self._remember(key, now + _RECORDED_AGAIN_AFTER, now)

    def _put(self, command: AnyCommand, delay: timedelta = timedelta()) -> None:
        """Send a command. If the queue did not answer a moment ago, raise TransientError at once."""
        started = time.monotonic()
        if started < self._refusing_until:
            raise TransientError("the work queue did not answer a moment ago")
        try:
            self._queue.send(command, delay)
        except TransientError:
            if time.monotonic() - started > _SLOW_S:
                self._refusing_until = time.monotonic() + _REFUSE_S
            raise
        log.info("command_sent", command=command.kind, **command_ids(command))


def _encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which JSON may contain and UTF-8 may not."""
    return text.encode(errors="replace").decode()


def _key(command: CheckPartition) -> str:
    return f"{command.feed} {command.partition}"
