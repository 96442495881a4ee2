"""Notify: tells each channel that wants it of one activity, once. No channel's fault stops the others."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.config.activity_kinds import OWN_EVENTS
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.channels import channel_key, event_id, notification_text, wants
from tidegate.errors import TransientError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Notify
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.channels import EventPublisher, NotificationSender

log = Log(__name__)

_TOPIC = "topic"
_TELLING = timedelta(minutes=2)  # who took it longer ago was killed: the timer finds what is left untold


@dataclass(frozen=True, kw_only=True)
class NotifyHandler:
    """Who takes an activity under its ETag tells of it; after a kill, at most one channel hears it twice."""

    context: ServiceContext
    sender: "NotificationSender"
    publisher: "EventPublisher"
    public_url: str | None = None

    def handle(self, command: Notify) -> Follows:
        activity, now = self.context.ledger.activity(command.subject, command.activity), self.context.now()
        if activity is None or activity.done:
            return []
        if activity.taken_at and now - activity.taken_at < _TELLING:
            return []
        activity.taken_at = now
        self.context.ledger.save(activity)
        try:
            failed = self._tell_people(activity)
            self._tell_programs(activity)
            activity.done = not failed
        finally:  # else who tries again finds it taken, and takes that for told
            activity.taken_at = None
            self.context.ledger.save(activity)
        if failed:
            raise TransientError(f"{failed} channels did not take {activity.kind} {activity.subject}")
        return []

    def _tell_people(self, activity: Activity) -> int:
        """How many channels failed."""
        waiting = {channel_key(one): one for one in self.context.config().notify if wants(one, activity.kind)}
        text, failed = notification_text(activity, self.public_url), 0
        for key in [key for key in waiting if key not in activity.sent]:
            if self.sender.send(waiting[key].url, activity.title, text):
                self._record(activity, key)
            else:
                failed += 1
        return failed

    def _tell_programs(self, activity: Activity) -> None:
        event_type = OWN_EVENTS.get(activity.kind)
        if event_type and _TOPIC not in activity.sent:
            subject, data = activity.subject, activity.data
            self.publisher.publish(event_type, id=event_id(activity), subject=subject, data=data)
            self._record(activity, _TOPIC)

    def _record(self, activity: Activity, key: str) -> None:
        activity.sent = [*activity.sent, key]
        self.context.ledger.save(activity)
        log.info("activity_told", kind=activity.kind, subject=activity.subject, channel=key)
