"""Notify: tells each channel that wants it of one activity, once. No channel's fault stops the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.commands import Follows, Notify
from tidegate.config import Config
from tidegate.errors import TransientError
from tidegate.ledger import Activity
from tidegate.log import Log
from tidegate.notifications import OWN_EVENTS, channel_key, event_id, wants

if TYPE_CHECKING:
    from tidegate.cloud.channels import People, Topic
    from tidegate.cloud.tables import Ledger

log = Log(__name__)

_TOPIC = "topic"


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Each channel is recorded as soon as it has it: after a kill, at most one of them hears it twice."""

    config: Callable[[], Config]
    ledger: "Ledger"
    people: "People"
    topic: "Topic"

    def notify(self, command: Notify) -> Follows:
        activity = self.ledger.activity(command.subject, command.activity)
        if activity is None or activity.done:
            return []
        self._publish(activity)
        failed = 0
        for channel in self.config().notify:
            key = channel_key(channel)
            if key in activity.sent or not wants(channel, activity.kind):
                continue
            if self.people.send(channel.url, activity.title, activity.text):
                self._record(activity, key)
            else:
                failed += 1
        if failed:
            raise TransientError(f"{failed} channels did not take {activity.kind} {activity.subject}")
        activity.done = True
        self.ledger.save(activity)
        return []

    def _publish(self, activity: Activity) -> None:
        event_type = OWN_EVENTS.get(activity.kind)
        if event_type and _TOPIC not in activity.sent:
            self.topic.publish(
                event_type, id=event_id(activity), subject=activity.subject, data=activity.data
            )
            self._record(activity, _TOPIC)

    def _record(self, activity: Activity, key: str) -> None:
        activity.sent = [*activity.sent, key]
        self.ledger.save(activity)
        log.info("activity_told", kind=activity.kind, subject=activity.subject, channel=key)
