"""The record of failures: commands that failed or are delayed, and messages that cannot be read."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import QUEUE_SUBJECT, command_subject
from tidegate.domain.delays import digest, without_ids
from tidegate.errors import UnreadableMessageError
from tidegate.log import Log
from tidegate.messages.commands import DELIVERY_FIELDS, FROM_REPLAY, AnyCommand, Next, Notify
from tidegate.service.context import notification_of
from tidegate.service.steps.delayed_work import DelayedWork

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger

log = Log(__name__)


@dataclass(frozen=True)
class FailureLog:
    """The failures in the ledger. Each method raises TransientError while the ledger is not available."""

    ledger: "Ledger"
    now: Callable[[], datetime]
    delays: DelayedWork

    def record(
        self, command: AnyCommand, kind: Literal["work.failed", "work.delayed"], reason: str
    ) -> list[Next]:
        """Record that a command failed or is delayed, and return the command that notifies people of it.

        The same command and reason are recorded once a day, and again for each replay.
        """
        now, state = self.now(), "failed" if kind == "work.failed" else "is delayed"
        identity = command.model_dump_json(exclude=DELIVERY_FIELDS)
        identity += command.cause if command.cause.startswith(FROM_REPLAY) else ""
        kept = command.model_dump(mode="json", exclude={"tries", "first_tried", "delay_announced"})
        activity = Activity(
            subject=command_subject(command),
            id=f"{kind}-{digest(identity + without_ids(reason))}-{now:%Y%m%d}",
            kind=kind,
            at=now,
            title=f"{command.kind} {command_subject(command)} {state}",
            text=reason,
            data={"command": kept},
            cause=command.cause,
            done=isinstance(command, Notify),  # a notification about a failed notification would fail, too
        )
        self.ledger.add_failure(activity)
        if kind == "work.failed":
            self.delays.failed(command, activity.id)
            log.warning("failure_recorded", failure=activity.short_id, subject=activity.subject)
        return [] if activity.done else [Next(notification_of(activity))]

    def record_unreadable(self, message: str, error: UnreadableMessageError) -> list[Next]:
        """Keep a message as a failure, and return the command that notifies people of it.

        The timer of another release repeats its messages. Messages that differ only in their cause are
        recorded once.
        """
        activity = Activity(
            subject=QUEUE_SUBJECT,
            id=f"unreadable-{digest(_identity(message))}",
            kind="work.failed",
            at=self.now(),
            title="A message in the work queue cannot be read",
            text=f"{error}. The message was not carried out, and is kept. If another release wrote it, "
            "deploy that release, then replay the message.",
            data={"message": message},
            cause="queue",
        )
        self.ledger.add_failure(activity)
        log.warning("failure_recorded", failure=activity.short_id, subject=activity.subject)
        return [Next(notification_of(activity))]


def _identity(message: str) -> str:
    """Return the message without the fields that differ when it is sent again for the same work."""
    try:
        fields = json.loads(message)
    except ValueError:
        return message
    if not isinstance(fields, dict):
        return message
    return json.dumps({name: fields[name] for name in sorted(fields) if name not in DELIVERY_FIELDS})
