"""The inbox: it turns events into commands, and sends them before Event Grid gets the response."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import rejection_subject
from tidegate.log import Log, bound
from tidegate.messages.commands import FROM_TIMER, CheckPartition, Reconcile, command_ids
from tidegate.messages.event_parser import parse
from tidegate.messages.events import Event, Unreadable
from tidegate.service.context import notification_of
from tidegate.service.meanings import Ignore, Meaning, RecordActivity, Reject, Send
from tidegate.service.routing import Routes

if TYPE_CHECKING:
    from tidegate.cloud.blobs import RejectedEvents
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_TOO_SOON = timedelta(seconds=5)  # a check that is due sooner may list the files before the new blob appears
_REJECTED_AGAIN_AFTER = timedelta(hours=1)
_MAX_REMEMBERED = 10_000


class Inbox:
    """The inbox of a process. Sent checks are remembered, so that a burst of blobs causes few checks."""

    def __init__(
        self,
        *,
        routes: Callable[[], Routes],
        queue: "WorkQueue",
        ledger: "Ledger",
        rejected: "RejectedEvents",
        now: Callable[[], datetime],
    ) -> None:
        self._routes = routes
        self._queue = queue
        self._ledger = ledger
        self._rejected = rejected
        self._now = now
        self._lock = Lock()
        # The time until which a check or rejection also covers later events.
        self._remembered: dict[str, datetime] = {}

    def accept(self, raw: str) -> None:
        """Turn the events of a delivery into commands.

        Raise ConfigError if tidegate.yml has a fault, and TransientError if storage is not available.
        Event Grid then delivers the events again.
        """
        routes, now = self._routes(), self._now()
        for event in parse(raw):
            for meaning in routes.meanings(event, now):
                if isinstance(meaning, Send) and self._is_covered(meaning, now):
                    continue  # this comes first, because most events of a burst need nothing more
                with bound(event_id=event.id, event_type=event.type):
                    self._apply(meaning, event, raw, now)

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

    def _apply(self, meaning: Meaning, event: Event, raw: str, now: datetime) -> None:
        match meaning:
            case Send() as send:
                self._send(send, now)
            case RecordActivity(activity):
                self._record(activity)
            case Reject() as reject:
                self._reject(reject, event, raw, now)
            case Ignore(reason):
                log.debug("event_ignored", reason=reason)

    def _send(self, send: Send, now: datetime) -> None:
        command = send.command
        if isinstance(command, CheckPartition) and command.due:
            # Other events of the partition wait for the lock. They are answered after the check was sent.
            with self._lock:
                if self._is_covered(send, now):
                    return
                self._queue.send(command, send.delay)
                self._remember(_key(command), command.due, now)
        else:
            self._queue.send(command)
        log.info("command_sent", command=command.kind, **command_ids(command))

    def _is_covered(self, send: Send, now: datetime) -> bool:
        """Return whether a check that was sent will list late enough to include the new blob."""
        command = send.command
        if not isinstance(command, CheckPartition) or command.due is None:
            return False
        due = self._remembered.get(_key(command))
        return due is not None and due - now > min(_TOO_SOON, send.delay / 2)

    def _remember(self, key: str, until: datetime, now: datetime) -> None:
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered = {kept: due for kept, due in self._remembered.items() if due > now}
        if len(self._remembered) < _MAX_REMEMBERED:
            self._remembered[key] = until

    def _record(self, activity: Activity) -> None:
        if activity.failed:
            self._ledger.add_failure(activity)
        else:
            self._ledger.add_activity(activity)
        self._queue.send(notification_of(activity))
        log.info("event_recorded", kind=activity.kind, subject=activity.subject)

    def _reject(self, reject: Reject, event: Event, raw: str, now: datetime) -> None:
        """Keep an event and announce that it was rejected.

        Of many such events about one folder, one is kept each hour and one is announced each day.
        """
        key = f"rejected {reject.about}"
        with self._lock:
            if self._remembered.get(key, now) > now:
                return
            content = event.content if isinstance(event, Unreadable) else raw
            name = f"{now:%Y/%m/%d}/{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:32]}.json"
            url = self._rejected.keep(name, json.dumps({"reason": reject.reason, "event": content}))
            self._record(_rejection(reject, event, url, now))
            self._remember(key, now + _REJECTED_AGAIN_AFTER, now)
        log.warning("event_rejected", about=reject.about, reason=reject.reason)


def _key(command: CheckPartition) -> str:
    return f"{command.feed} {command.partition}"


def _rejection(reject: Reject, event: Event, url: str, now: datetime) -> Activity:
    text = (
        f"{reject.reason}. Nothing was started for this event, and it is kept in {url}. "
        "If the event is right, change tidegate.yml and replay it."
    )
    return Activity(
        subject=rejection_subject(reject.about),
        id=f"{now:%Y-%m-%d}",
        kind="event.rejected",
        at=now,
        title=f"An event was rejected: {reject.about}",
        text=text,
        data={"blob": url, "event_type": event.type},
        cause=event.id,
    )
