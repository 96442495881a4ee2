"""RecordEvent: record an event that leads to an activity, or that cannot be used."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import rejection_subject
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RecordEvent
from tidegate.messages.event_parser import parse
from tidegate.messages.events import Event, Unreadable
from tidegate.service.context import ServiceContext, notification_of
from tidegate.service.meanings import RecordActivity, Reject, Send, with_origin
from tidegate.service.routing import Routes

if TYPE_CHECKING:
    from tidegate.cloud.blobs import RejectedEvents

log = Log(__name__)


@dataclass(frozen=True)
class RecordEventHandler:
    """The inbox does not write to tables and blobs, because an event must be accepted while they hang."""

    context: ServiceContext
    routes: Callable[[], Routes]
    rejected: "RejectedEvents"

    def handle(self, command: RecordEvent) -> Follows:
        routes = self.routes()
        meanings = [
            (with_origin(meaning, event), event)
            for event in parse(command.event)
            for meaning in routes.meanings(event, command.at)
        ]
        recorded = [
            self._apply(meaning, event, command)
            for meaning, event in meanings
            if isinstance(meaning, RecordActivity | Reject)
        ]
        # If there is nothing to record, the configuration has changed since the inbox read the event.
        # Otherwise the inbox has sent the commands of the other events.
        return recorded or [Next(each.command, each.delay) for each, _ in meanings if isinstance(each, Send)]

    def _apply(self, meaning: RecordActivity | Reject, event: Event, command: RecordEvent) -> Next:
        if isinstance(meaning, RecordActivity):
            return self._record(meaning.activity)
        content = event.content if isinstance(event, Unreadable) else command.event
        url = self._keep(meaning, content, command.at)
        log.warning("event_rejected", about=meaning.about, reason=meaning.reason)
        return self._record(_rejection(meaning, event, url, command.at))

    def _record(self, activity: Activity) -> Next:
        if activity.failed:
            self.context.ledger.add_failure(activity)
        else:
            self.context.ledger.add_activity(activity)
        log.info("event_recorded", kind=activity.kind, subject=activity.subject)
        return Next(notification_of(activity))

    def _keep(self, reject: Reject, content: str, at: datetime) -> str:
        """Store the event as it came, and return the URL of its blob."""
        name = f"{at:%Y/%m/%d}/{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:32]}.json"
        return self.rejected.keep(name, json.dumps({"reason": reject.reason, "event": content}))


def _rejection(reject: Reject, event: Event, url: str, at: datetime) -> Activity:
    text = (
        f"{reject.reason}. Nothing was started for this event, and it is kept in {url}. "
        "If the event is right, change tidegate.yml and replay it."
    )
    return Activity(
        subject=rejection_subject(reject.about),
        id=f"{at:%Y-%m-%d}",
        kind="event.rejected",
        at=at,
        title=f"An event was rejected: {reject.about}",
        text=text,
        data={"blob": url, "event_type": event.type},
        cause=event.id,
    )
