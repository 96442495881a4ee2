"""Notify: send one activity to the people and programs that subscribe to its kind, once to each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.config.activity_kinds import event_type
from tidegate.config.schema import Channel
from tidegate.config.types import url_scheme
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.channel_record import ChannelRecord
from tidegate.domain.activities.failing_channel_texts import channel_failing, channel_recovered
from tidegate.domain.activities.notification_channels import (
    channel_key,
    channel_name,
    event_data,
    event_id,
    notification,
    wants,
)
from tidegate.domain.activities.owners import Owner, owner_of
from tidegate.domain.activities.subjects import JobSubject, channel_subject, parse_subject
from tidegate.domain.jobs.records import JobKind
from tidegate.errors import TidegateError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Notify
from tidegate.service.context import ServiceContext
from tidegate.service.retry import retry_on_conflict

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
        if activity is None:
            return []
        if activity.done:
            self.context.ledger.forget_unsent(activity)  # a crash may have left it among the unsent ones
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
        owner = self._owner(activity)
        channels = [c for c in self.context.config().notify if wants(c, activity.kind, owner)]
        waiting = {channel_key(channel): channel for channel in channels}
        waiting.pop(activity.subject.removeprefix(channel_subject("")), None)  # it is about this channel
        message, failed = notification(activity, self.public_url), 0
        for key in [key for key in waiting if key not in activity.sent]:
            problem = self.sender.send(waiting[key].url, message)
            if problem is None:
                self._save_sent(activity, key)
            else:
                failed += 1
            self._record(key, waiting[key], problem, activity.cause)
        return failed

    def _owner(self, activity: Activity) -> Owner:
        """Return the feed or the model that an activity is about."""
        match parse_subject(activity.subject):
            case JobSubject(workspace, name):
                job = self.context.ledger.job(workspace, name)
                is_scoring = job is not None and job.kind is JobKind.SCORING
                return Owner(**{"feed" if is_scoring else "model": job.owner}) if job else Owner()
        return owner_of(activity.subject, activity.data)

    def _record(self, key: str, channel: Channel, problem: str | None, cause: str) -> None:
        """Record that a channel fails, or that it accepts messages again. Its failure delays no message."""
        try:
            retry_on_conflict(lambda: self._change(key, channel, problem, cause), f"channel {key}")
        except TidegateError as error:
            log.warning("channel_not_recorded", channel=key, error=error)

    def _change(self, key: str, channel: Channel, problem: str | None, cause: str) -> None:
        """Save the state of a channel, and record what the timer sends to the other channels about it."""
        ledger, trigger = self.context.ledger, Trigger(self.context.now(), cause)
        record, name = ledger.channel(key), channel_name(self.context.config().notify, channel)
        if problem is not None:
            known = record or ChannelRecord(channel=key, scheme=url_scheme(channel.url))
            failed = known.failed(problem, trigger.at)
            if activity := channel_failing(failed, name, trigger):
                ledger.add_activity(activity)
                failed.announced = True
            ledger.save_channel(failed)
        elif record and record.failing_since:
            if activity := channel_recovered(record, name, trigger):
                ledger.add_activity(activity)
            ledger.save_channel(record.recovered(trigger.at))
            log.info("channel_recovered", scheme=record.scheme, failures=record.failures)

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
