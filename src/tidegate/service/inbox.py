"""Takes events in: they become commands, sent before success is answered. Carries nothing out."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import rejection_subject
from tidegate.log import Log, bound
from tidegate.messages.commands import FROM_TIMER, CheckMonth, Notify, Reconcile, command_ids
from tidegate.messages.events import Event, Unreadable, parse
from tidegate.service.routing import Ignore, Meaning, RecordActivity, Reject, Routes, Send

if TYPE_CHECKING:
    from tidegate.cloud.blobs import RejectedEvents
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_LAST_MOMENT = timedelta(seconds=5)  # a check that is due sooner may list before what just arrived is there
_REJECTED_AGAIN = timedelta(hours=1)
_MOST_HELD = 10_000


class Inbox:
    """One a process: it remembers the checks that it sent, so a burst of blobs costs one command a month."""

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
        self._held: dict[str, datetime] = {}

    def accept(self, raw: str) -> None:
        """Take a delivery in. Raises only where it cannot be kept: Event Grid delivers it again then.

        ConfigError while tidegate.yml is bad, TransientError while storage is away.
        """
        routes, now = self._routes(), self._now()
        found = ((event, meaning) for event in parse(raw) for meaning in routes.meanings(event, now))
        for event, meaning in found:
            if isinstance(meaning, Send) and self._is_covered(meaning, now):
                continue  # before anything that costs: a burst of blobs ends here
            with bound(event_id=event.id, event_type=event.type):
                match meaning:
                    case Send() as send:
                        self._send(send, now)
                    case RecordActivity(activity):
                        self._record(activity)
                    case Reject() as reject:
                        self._reject(reject, event, raw, now)
                    case Ignore(reason):
                        log.debug("event_ignored", reason=reason)

    def replay(self, raw: str) -> list[Meaning]:
        """Take a delivery in that was rejected, and say what it means now.

        Where anything in it is rejected still, none of it is taken in.
        """
        routes, now = self._routes(), self._now()
        meanings = [meaning for event in parse(raw) for meaning in routes.meanings(event, now)]
        if not any(isinstance(meaning, Reject) for meaning in meanings):
            self.accept(raw)
        return meanings

    def tick(self) -> None:
        """The timer's turn: have everything unfinished looked at."""
        self._queue.send(Reconcile(cause=f"{FROM_TIMER}{self._now():%Y%m%dT%H%M%S}"))

    def _send(self, send: Send, now: datetime) -> None:
        command = send.command
        if isinstance(command, CheckMonth) and command.due:
            with self._lock:  # whoever waits here is answered only after the check that covers it was sent
                if self._is_covered(send, now):
                    return
                self._queue.send(command, send.delay)
                self._hold(_place(command), command.due, now)
        else:
            self._queue.send(command)
        log.info("command_sent", command=command.kind, **command_ids(command))

    def _is_covered(self, send: Send, now: datetime) -> bool:
        """Whether a check that was sent will list late enough to see what has just arrived."""
        command = send.command
        if not isinstance(command, CheckMonth) or command.due is None:
            return False
        due = self._held.get(_place(command))
        return due is not None and due - now > min(_LAST_MOMENT, send.delay / 2)

    def _hold(self, key: str, until: datetime, now: datetime) -> None:
        if len(self._held) >= _MOST_HELD:
            self._held = {kept: due for kept, due in self._held.items() if due > now}
        if len(self._held) < _MOST_HELD:
            self._held[key] = until

    def _record(self, activity: Activity) -> None:
        if activity.failed:
            self._ledger.add_failure(activity)
        else:
            self._ledger.add_activity(activity)
        self._queue.send(Notify(cause=activity.cause, subject=activity.subject, activity=activity.id))
        log.info("event_recorded", kind=activity.kind, subject=activity.subject)

    def _reject(self, reject: Reject, event: Event, raw: str, now: datetime) -> None:
        """Keep it and announce it; a folder full of such files is kept once an hour, announced once a day."""
        key = f"rejected {reject.about}"
        with self._lock:
            if self._held.get(key, now) > now:
                return
            content = event.content if isinstance(event, Unreadable) else raw
            name = f"{now:%Y/%m/%d}/{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:32]}.json"
            url = self._rejected.keep(name, json.dumps({"reason": reject.reason, "event": content}))
            self._record(_rejection(reject, event, url, now))
            self._hold(key, now + _REJECTED_AGAIN, now)
        log.warning("event_rejected", about=reject.about, reason=reject.reason)


def _place(command: CheckMonth) -> str:
    return f"{command.feed} {command.month}"


def _rejection(reject: Reject, event: Event, url: str, now: datetime) -> Activity:
    return Activity(
        subject=rejection_subject(reject.about),
        id=f"{now:%Y-%m-%d}",
        kind="event.rejected",
        at=now,
        title=f"An event was not understood: {reject.about}",
        text=f"{reject.reason}. The event is kept in {url}; nothing was started for it.",
        data={"blob": url, "event_type": event.type},
        cause=event.id,
    )
