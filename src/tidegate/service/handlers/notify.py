"""Notify: send one activity to the people and programs that subscribe to its kind, once to each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.config.activity_kinds import event_type
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.notification_channels import (
    channel_key,
    event_data,
    event_id,
    notification_text,
    wants,
)
from tidegate.errors import TidegateError, TransientError
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
            refusal = self._publish(activity)
            activity.done = not failed and refusal is None
        finally:  # while `taken_at` is set, a retry would not send the rest
            activity.taken_at = None
            self.context.ledger.save(activity)
        if failed:
            raise TransientError(f"{failed} channels did not accept {activity.kind} {activity.subject}")
        if refusal:
            raise refusal
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

    def _publish(self, activity: Activity) -> TidegateError | None:
        """Publish the activity to the custom topic for programs, if there is one and it was not published.

        Return the error if the topic did not accept it: the other channels have been served by then.
        """
        if not self.publisher.has_topic or _TOPIC in activity.sent:
            return None
        kind, id = event_type(activity.kind), event_id(activity)
        try:
            self.publisher.publish(kind, id=id, subject=activity.subject, data=event_data(activity))
        except TidegateError as error:
            log.warning("event_not_published", event_type=kind, subject=activity.subject, error=error)
            return error
        self._save_sent(activity, _TOPIC)
        return None

    def _save_sent(self, activity: Activity, key: str) -> None:
        activity.sent = [*activity.sent, key]
        self.context.ledger.save(activity)
        log.info("activity_sent", kind=activity.kind, subject=activity.subject, channel=key)
