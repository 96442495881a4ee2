"""The worker: it hands each command to its handler, sends what follows, and handles every error."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.domain.activities.subjects import command_subject
from tidegate.domain.effects import Act
from tidegate.errors import (
    ConfigError,
    NotFoundError,
    PermanentError,
    TidegateError,
    TransientError,
    UnreadableMessageError,
)
from tidegate.log import Log, bound
from tidegate.messages.commands import (
    AnyCommand,
    CheckPartition,
    Follows,
    Next,
    Notify,
    RecordEvent,
    command_ids,
)
from tidegate.messages.queue_messages import decode, message_text
from tidegate.service.failure_log import FailureLog
from tidegate.service.retry import (
    GiveUp,
    LeaveToTimer,
    RetryLater,
    decide_retry,
    send_or_leave_to_timer,
)
from tidegate.service.steps.delayed_work import DelayedWork, is_merged
from tidegate.service.steps.pause_gate import PauseGate
from tidegate.service.steps.waiting_work import WaitingWork

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

Handlers = Mapping[type[Any], Callable[[Any], Follows]]

_CRASHED = "The command crashed the service five times. The log has the traceback."
_UNTIL_RECORDED = timedelta(minutes=5)  # how long a failure waits in the queue for the ledger


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
        self._now = now
        self._gate = gate
        self._effects = ledger.effects
        self._delays = DelayedWork(ledger, now)
        self._failures = FailureLog(ledger, now, self._delays)
        self._waiting = WaitingWork(ledger, queue, now)

    def carry_out(self, message: str) -> None:
        """Carry out the command of a message. Carrying it out several times has the same effect as once.

        A message that this release cannot read is recorded as a failure, and then deleted from the queue.
        While the ledger is not available, failures stay in the queue. If this method raises an error, the
        queue delivers the message again, and gives it to `give_up` after five times.
        """
        try:
            command = decode(message_text(message))
        except UnreadableMessageError as error:
            self._keep_unreadable(message, error)
            return
        with bound(cause=command.cause, command=command.kind, **command_ids(command)):
            with self._effects.acting(self._act(command)):
                follows = self._handle(command)
            self._send(follows)
            log.info("command_carried_out", follows=",".join(follow.command.kind for follow in follows))

    def give_up(self, message: str) -> None:
        """Record and announce a message that crashed the service's process five times.

        If this method raises an error, the queue delivers the message again after ten minutes.
        """
        text = message_text(message)
        log.warning("poison_message_taken")
        try:
            command = decode(text)
        except UnreadableMessageError as error:
            self._send(self._failures.record_unreadable(text, error))
        else:
            with self._effects.acting(self._act(command)):
                failed = self._failures.record(command, "work.failed", _CRASHED)
            self._send(failed)

    def _act(self, command: AnyCommand) -> Act | None:
        """Return what is recorded as the cause of changes. A check that waits changes nothing."""
        now = self._now()
        if isinstance(command, CheckPartition) and command.due and now < command.due:
            return None
        return Act(command.cause, command.kind, now, command.origin)

    def _record_cause(self, command: AnyCommand, now: datetime) -> None:
        """Record an event or a request that led to a command, even if the command finds nothing to do.

        Looks at partitions and recorded events are recorded by their handlers.
        """
        if command.origin and not isinstance(command, CheckPartition | RecordEvent):
            act = Act(command.cause, command.kind, now, command.origin)
            self._effects.add(act.effect(command_subject(command)))

    def _send(self, follows: Follows) -> None:
        """Send what follows. The timer sends notifications, too, so they never bring a message back."""
        for follow in follows:
            if isinstance(follow.command, Notify) and not follow.delay:
                send_or_leave_to_timer(self._queue, follow.command)
            else:
                self._queue.send(follow.command, follow.delay)

    def _handle(self, command: AnyCommand) -> Follows:
        started = self._now()
        try:
            if pause := self._gate.holding(command):
                self._waiting.hold(command, pause)
                self._delays.held(command)
                return ()
            self._record_cause(command, started)
            follows = self._handlers[type(command)](command)
        except (TransientError, NotFoundError, ConfigError) as error:
            return self._retry(command, error)
        except PermanentError as error:
            log.warning("command_failed", error=error)
            return self._fail(command, str(error))
        return [*follows, *self._close_delay(command, started)]

    def _retry(self, command: AnyCommand, error: Exception) -> Follows:
        match decide_retry(command, error, self._now()):
            case LeaveToTimer():
                log.warning("command_left_to_timer", error=error)
                return ()
            case GiveUp(reason):
                return self._fail(command, reason)
            case RetryLater(retry, announce):
                delay_s = round(retry.delay.total_seconds())
                log.warning("command_retried_later", error=error, tries=command.tries, delay_s=delay_s)
                return self._record_delay(retry, str(error), announce=announce)

    def _record_delay(self, retry: Next, reason: str, *, announce: bool) -> Follows:
        """Record that a command is delayed, and return the retry and, if `announce`, the notification.

        Return nothing if the retries of another command do the same work. If the delay cannot be recorded,
        return the retry alone: the next try records and announces the delay.
        """
        try:
            if self._delays.joins(retry, reason):
                log.info("command_joined")
                return ()
            notifications = self._announce(retry.command, reason) if announce else []
        except Exception as error:  # noqa: BLE001 - the record must never prevent the retry
            log.warning("delay_not_recorded", error=error)
            return (retry,)
        if not announce:
            return (retry,)
        announced = retry.command.model_copy(update={"delay_announced": True})
        return (Next(announced, retry.delay), *notifications)

    def _announce(self, command: AnyCommand, reason: str) -> list[Next]:
        if is_merged(command):
            return self._delays.announce(command)
        return self._failures.record(command, "work.delayed", reason)

    def _close_delay(self, command: AnyCommand, started: datetime) -> list[Next]:
        """Close the delay of work that has succeeded. If that is not possible, the timer repeats the work."""
        try:
            return self._delays.succeeded(command, started)
        except Exception as error:  # noqa: BLE001 - the work is done, whatever happens to the record of its delay
            log.warning("delay_not_closed", error=error)
            return []

    def _fail(self, command: AnyCommand, reason: str) -> Follows:
        """Record that a command failed. While that is not possible, the command is tried again later."""
        try:
            return self._failures.record(command, "work.failed", reason)
        except TidegateError as error:
            log.warning("failure_not_recorded", reason=reason, error=error)
            return (Next(command, _UNTIL_RECORDED),)

    def _keep_unreadable(self, message: str, unreadable: UnreadableMessageError) -> None:
        """Record a message that cannot be read. While that is not possible, send it again as it is."""
        log.warning("message_unreadable", error=unreadable)
        try:
            notifications = self._failures.record_unreadable(message_text(message), unreadable)
        except TidegateError as error:
            log.warning("failure_not_recorded", reason="unreadable", error=error)
            self._queue.send_again(message, _UNTIL_RECORDED)
        else:
            self._send(notifications)
