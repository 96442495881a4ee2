"""The worker: it hands each command to its handler, sends what follows, and handles every error."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import QUEUE_SUBJECT, command_subject
from tidegate.errors import (
    ConfigError,
    NotFoundError,
    PermanentError,
    TransientError,
    UnreadableMessageError,
)
from tidegate.log import Log, bound
from tidegate.messages.commands import (
    FROM_REPLAY,
    AnyCommand,
    Follows,
    Next,
    Notify,
    command_ids,
    decode,
)
from tidegate.service.context import notification_of
from tidegate.service.retry import GiveUp, LeaveToTimer, RetryLater, decide_retry
from tidegate.service.steps.pause_gate import PauseGate
from tidegate.service.steps.waiting_work import WaitingWork

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

Handlers = Mapping[type[Any], Callable[[Any], Follows]]

_VARYING = re.compile(r"[0-9a-f-]{8,}|[0-9]+")  # matches ids and numbers in the text of an error
# These fields do not say what the message is for.
_DELIVERY_FIELDS = {"format_version", "cause", "tries", "first_tried"}


class Worker:
    """A message of the queue is deleted only after everything that follows from it was sent."""

    def __init__(
        self,
        *,
        handlers: Handlers,
        queue: "WorkQueue",
        ledger: "Ledger",
        now: Callable[[], datetime],
        gate: PauseGate,
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._ledger = ledger
        self._now = now
        self._gate = gate
        self._waiting = WaitingWork(ledger, queue, now)

    def carry_out(self, message: str) -> None:
        """Carry out the command of a message. Carrying it out several times has the same effect as once.

        A message that this release cannot read is recorded as a failure, and then deleted from the queue. If
        this method raises an error, the queue delivers the message again, and gives it to `give_up` after
        five times.
        """
        try:
            command = decode(message)
        except UnreadableMessageError as error:
            self._send(self._record_unreadable(message, error))
            return
        with bound(cause=command.cause, command=command.kind, **command_ids(command)):
            follows = self._handle(command)
            self._send(follows)
            log.info("command_carried_out", follows=",".join(follow.command.kind for follow in follows))

    def give_up(self, message: str) -> None:
        """Record and announce a message that crashed the service's process five times."""
        try:
            command = decode(message)
        except UnreadableMessageError as error:
            follows = self._record_unreadable(message, error)
        else:
            reason = "The command crashed the service five times. The log has the traceback."
            follows = self._record_failure(command, "work.failed", reason)
        self._send(follows)

    def _send(self, follows: Follows) -> None:
        for follow in follows:
            self._queue.send(follow.command, follow.delay)

    def _handle(self, command: AnyCommand) -> Follows:
        try:
            if pause := self._gate.holding(command):
                self._waiting.hold(command, pause)
                return ()
            return self._handlers[type(command)](command)
        except (TransientError, NotFoundError, ConfigError) as error:
            return self._retry(command, error)
        except PermanentError as error:
            log.warning("command_failed", error=error)
            return self._record_failure(command, "work.failed", str(error))

    def _retry(self, command: AnyCommand, error: Exception) -> Follows:
        match decide_retry(command, error, self._now()):
            case LeaveToTimer():
                log.warning("command_left_to_timer", error=error)
                return ()
            case GiveUp(reason):
                return self._record_failure(command, "work.failed", reason)
            case RetryLater(retry, announce):
                delay_s = round(retry.delay.total_seconds())
                log.warning("command_retried_later", error=error, tries=command.tries, delay_s=delay_s)
                announced = self._record_failure(command, "work.delayed", str(error)) if announce else ()
                return (retry, *announced)

    def _record_failure(
        self, command: AnyCommand, kind: Literal["work.failed", "work.delayed"], reason: str
    ) -> Follows:
        """Record that a command failed or is delayed, and return the command that notifies people of it.

        The same command and reason are recorded once a day, and again for each replay.
        """
        now, state = self._now(), "failed" if kind == "work.failed" else "is delayed"
        identity = command.model_dump_json(exclude=_DELIVERY_FIELDS)
        identity += command.cause if command.cause.startswith(FROM_REPLAY) else ""
        activity = Activity(
            subject=command_subject(command),
            id=f"{kind}-{_digest(identity + _VARYING.sub('#', reason))}-{now:%Y%m%d}",
            kind=kind,
            at=now,
            title=f"{command.kind} {command_subject(command)} {state}",
            text=reason,
            data={"command": command.model_dump(mode="json", exclude={"tries", "first_tried"})},
            cause=command.cause,
            done=isinstance(command, Notify),  # a notification about a failed notification would fail, too
        )
        self._ledger.add_failure(activity)
        return () if activity.done else (Next(notification_of(activity)),)

    def _record_unreadable(self, message: str, error: UnreadableMessageError) -> Follows:
        """Keep a message as a failure, and return the command that notifies people of it.

        The timer of another release repeats its messages. Messages that differ only in their cause are
        recorded once.
        """
        activity = Activity(
            subject=QUEUE_SUBJECT,
            id=f"unreadable-{_digest(_identity(message))}",
            kind="work.failed",
            at=self._now(),
            title="A message in the work queue cannot be read",
            text=f"{error}. The message was not carried out, and is kept. If another release wrote it, "
            "deploy that release, then replay the message.",
            data={"message": message},
            cause="queue",
        )
        log.warning("message_unreadable", error=error)
        self._ledger.add_failure(activity)
        return (Next(notification_of(activity)),)


def _identity(message: str) -> str:
    """Return the message without the fields that differ when it is sent again for the same work."""
    try:
        fields = json.loads(message)
    except ValueError:
        return message
    if not isinstance(fields, dict):
        return message
    return json.dumps({name: fields[name] for name in sorted(fields) if name not in _DELIVERY_FIELDS})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
