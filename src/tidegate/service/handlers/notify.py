"""Notify: send one activity to the people and programs that subscribe to its kind, once to each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.config.activity_kinds import OWN_EVENTS
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.notification_channels import channel_key, event_id, notification_text, wants
from tidegate.errors import TransientError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Notify
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.notification_sender import EventPublisher, NotificationSender

log = Log(__name__)

_TOPIC = "topic"
# If sending takes longer, the worker has crashed, and another worker may send the rest.
_TIME_TO_SEND = timedelta(minutes=2)


@dataclass(frozen=True)
class NotifyHandler:
    """A worker reserves an activity in the ledger, then sends it. A crash may lead to a second message."""

    context: ServiceContext
    sender: "NotificationSender"
    publisher: "EventPublisher"
    public_url: str | None = None

    def handle(self, command: Notify) -> Follows:
        activity, now = self.context.ledger.activity(command.subject, command.activity), self.context.now()
        if activity is None or activity.done:
            return []
        if activity.taken_at and now - activity.taken_at < _TIME_TO_SEND:
            return []
        activity.taken_at = now
        self.context.ledger.save(activity)
        try:
            self.context.ledger.list_activity(activity)
            failed = self._send(activity)
            self._publish(activity)
            activity.done = not failed
        finally:  # while `taken_at` is set, a retry would not send the rest
            activity.taken_at = None
            self.context.ledger.save(activity)
        if failed:
            raise TransientError(f"{failed} channels did not accept {activity.kind} {activity.subject}")
        return []

    def _send(self, activity: Activity) -> int:
        """Send to each channel that has not received the activity, and return how many channels failed."""
        channels = [channel for channel in self.context.config().notify if wants(channel, activity.kind)]
        waiting = {channel_key(channel): channel for channel in channels}
        text, failed = notification_text(activity, self.public_url), 0
        for key in [key for key in waiting if key not in activity.sent]:
            if self.sender.send(waiting[key].url, activity.title, text):
                self._save_sent(activity, key)
            else:
                failed += 1
        return failed

    def _publish(self, activity: Activity) -> None:
        """Publish the activity to the custom topic for programs, if its kind has an event type."""
        event_type = OWN_EVENTS.get(activity.kind)
        if event_type and _TOPIC not in activity.sent:
            subject, data = activity.subject, activity.data
            self.publisher.publish(event_type, id=event_id(activity), subject=subject, data=data)
            self._save_sent(activity, _TOPIC)

    def _save_sent(self, activity: Activity, key: str) -> None:
        activity.sent = [*activity.sent, key]
        self.context.ledger.save(activity)
        log.info("activity_sent", kind=activity.kind, subject=activity.subject, channel=key)
