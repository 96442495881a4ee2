"""Delayed work in the ledger: commands for the same work share one chain of retries and one notification."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import command_subject
from tidegate.domain.delays import Begin, Delay, Join, announcement_of, decide_chain, new_delay, work_id
from tidegate.errors import UnreadableMessageError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand, CheckPartition, Next, Notify, Reconcile, untried
from tidegate.messages.queue_messages import decode
from tidegate.service.context import notification_of
from tidegate.service.retry import retry_on_conflict

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger

log = Log(__name__)

_REMEMBERED = timedelta(minutes=1)
_FIRST_RECORDED_TRY = 2  # most errors have passed at the second try, and need no record


class DelayedWork:
    """The delays of the ledger. A process reads all of them at most once in a minute, and knows its own.

    Each method raises TransientError while the ledger is not available.
    """

    def __init__(self, ledger: "Ledger", now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._read_at: datetime | None = None
        self._known: frozenset[str] = frozenset()

    def joins(self, retry: Next, reason: str) -> bool:
        """Record that a command is retried, and return whether the retries of another command do its work.

        If so, the command is dropped.
        """
        if retry.command.tries < _FIRST_RECORDED_TRY or not is_merged(retry.command):
            return False
        decision = retry_on_conflict(
            lambda: self._decide(retry, reason), f"delay of {command_subject(retry.command)}"
        )
        self._known |= {decision.delay.id}
        return isinstance(decision, Join)

    def announce(self, command: AnyCommand) -> list[Next]:
        """Announce the delay of a command, unless the same reason was announced for its subject already."""
        delay = self._find(command)
        if delay is None or delay.announced:
            return []
        others = [other for other in self._ledger.delays(delay.subject) if other.id != delay.id]
        activity = Activity(
            subject=delay.subject,
            id=announcement_of(delay, others),
            kind="work.delayed",
            at=self._now(),
            title=f"{command.kind} {delay.subject} is delayed",
            text=delay.reason,
            data={"command": delay.command | {"cause": command.cause}},
            cause=command.cause,
        )
        is_new = self._ledger.add_activity(activity)
        delay.announced = activity.id
        self._ledger.save(delay)
        return [Next(notification_of(activity))] if is_new else []

    def failed(self, command: AnyCommand, failure: str) -> None:
        """Record that the retries have ended with a failure, which a later success closes."""
        if not is_merged(command):
            return
        retry_on_conflict(lambda: self._fail(command, failure), f"delay of {command_subject(command)}")

    def held(self, command: AnyCommand) -> None:
        """Forget the delay of a command that waits for the end of a pause."""
        if (command.tries or self._is_known(command)) and (delay := self._find(command)):
            self._ledger.delete(delay)

    def succeeded(self, command: AnyCommand, started: datetime) -> list[Next]:
        """Close the delay and the failure of work that has succeeded, and announce the end of the delay.

        Return the command again if another command for the same work was dropped since `started`: it may have
        come for something that is newer than what was just done.
        """
        if not is_merged(command) or _only_waits(command) or not (command.tries or self._is_known(command)):
            return []
        return retry_on_conflict(
            lambda: self._close(command, started), f"delay of {command_subject(command)}"
        )

    def lost(self, delays: Iterable[Delay], cause: str) -> list[AnyCommand]:
        """Return the commands of delayed work whose next retry did not come, to be tried again."""
        return [
            command for delay in delays if delay.lost(self._now()) and (command := _command_of(delay, cause))
        ]

    def _decide(self, retry: Next, reason: str) -> Begin | Join:
        command, now = retry.command, self._now()
        decision = decide_chain(self._find(command), command, reason, now + retry.delay, now)
        self._ledger.save(decision.delay)
        return decision

    def _fail(self, command: AnyCommand, failure: str) -> None:
        delay = self._find(command) or new_delay(command, self._now())
        delay.failure, delay.announced, delay.chain = failure, None, None
        self._ledger.save(delay)
        self._known |= {delay.id}

    def _close(self, command: AnyCommand, started: datetime) -> list[Next]:
        delay = self._find(command)
        if delay is None:
            self._known -= {work_id(command)}
            return []
        closed = self._close_failure(delay, command) if delay.failure else []
        recovered = self._recovered(delay, command)
        self._ledger.delete(delay)
        self._known -= {delay.id}
        again = [Next(_again(command))] if delay.joined_at and delay.joined_at >= started else []
        return [*again, *closed, *(recovered or self._recovered(delay, command))]

    def _close_failure(self, delay: Delay, command: AnyCommand) -> list[Next]:
        """Close a failure whose work has succeeded, and announce that no person has to act any more."""
        failure = self._ledger.activity(delay.subject, delay.failure or "")
        if failure is None:
            return []
        failure.closed_at = failure.closed_at or self._now()
        self._ledger.save(failure)  # a repetition takes it out of the open failures if a crash left it there
        log.info("failure_closed", failure=failure.short_id, subject=failure.subject)
        activity = Activity(
            subject=delay.subject,
            id=f"{failure.id}-closed",
            kind="work.recovered",
            at=self._now(),
            title=f"{command.kind} {delay.subject} has succeeded after it failed",
            text=f"There is nothing to do. It failed at {failure.at:%Y-%m-%d %H:%M %Z}: {failure.text}",
            cause=command.cause,
        )
        is_new = self._ledger.add_activity(activity)
        return [Next(notification_of(activity))] if is_new else []

    def _recovered(self, delay: Delay, command: AnyCommand) -> list[Next]:
        """Announce that a delay is over, unless other work is still delayed for the same reason."""
        others = [other for other in self._ledger.delays(delay.subject) if other.id != delay.id]
        if delay.announced is None or any(other.announced == delay.announced for other in others):
            return []
        activity = Activity(
            subject=delay.subject,
            id=delay.announced.replace("work.delayed", "work.recovered"),
            kind="work.recovered",
            at=self._now(),
            title=f"{command.kind} {delay.subject} is no longer delayed",
            text=f"It has succeeded. It was delayed since {delay.since:%Y-%m-%d %H:%M %Z}: {delay.reason}",
            cause=command.cause,
        )
        is_new = self._ledger.add_activity(activity)
        return [Next(notification_of(activity))] if is_new else []

    def _find(self, command: AnyCommand) -> Delay | None:
        return self._ledger.delay(command_subject(command), work_id(command))

    def _is_known(self, command: AnyCommand) -> bool:
        now = self._now()
        if self._read_at is None or now - self._read_at >= _REMEMBERED:
            self._known = frozenset(delay.id for delay in self._ledger.delays())
            self._read_at = now
        return work_id(command) in self._known


def is_merged(command: AnyCommand) -> bool:
    """Return whether commands for the same work share their retries. The timer repeats the others."""
    return not isinstance(command, Notify | Reconcile)


def _only_waits(command: AnyCommand) -> bool:
    """Return whether a command may have ended without its work: a check that is not due, or replaced."""
    return isinstance(command, CheckPartition) and command.due is not None and not command.tries


def _command_of(delay: Delay, cause: str) -> AnyCommand | None:
    """Return the command of delayed work, or None if another release wrote it."""
    fields = delay.command | {"cause": cause, "tries": 1, "first_tried": delay.since.isoformat()}
    try:
        return decode(json.dumps(fields))
    except UnreadableMessageError:
        return None


def _again(command: AnyCommand) -> AnyCommand:
    fresh = untried(command)
    return fresh.model_copy(update={"due": None}) if isinstance(fresh, CheckPartition) else fresh
