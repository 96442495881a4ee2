"""When something is tried again: failed commands, conflicting writes and work that takes time."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tidegate.errors import ConflictError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import FROM_TIMER, AnyCommand, Next, command_ids

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

T = TypeVar("T")

# When a new job is first checked: its events usually come sooner, and the timer comes later.
FIRST_LOOK = timedelta(minutes=1)
LONGEST_DELAY = timedelta(minutes=1)
_SHORTEST_DELAY = timedelta(seconds=1)

_FIRST_BACK_OFF = timedelta(seconds=5)
_FIRST_BACK_OFF_AFTER_CONFLICT = timedelta(seconds=1)
_LONGEST_BACK_OFF = timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(hours=24)
_ANNOUNCED_AT_TRY = 5  # some minutes after the first try
_TRIES_OF_TIMER_COMMANDS = 6  # after these tries the timer has sent the same command again

_ROUNDS_AFTER_CONFLICT = 10


@dataclass(frozen=True)
class RetryLater:
    """The command is sent again after a delay. If `announce`, people are notified that it is delayed."""

    next: Next
    announce: bool


@dataclass(frozen=True)
class LeaveToTimer:
    """The command is dropped, because the timer sends it again. So retries cannot accumulate."""


@dataclass(frozen=True)
class GiveUp:
    """The command has failed permanently."""

    reason: str


RetryDecision = RetryLater | LeaveToTimer | GiveUp


def decide_retry(command: AnyCommand, error: Exception, now: datetime) -> RetryDecision:
    """Decide what happens to a command that failed with an error that may pass."""
    if command.cause.startswith(FROM_TIMER) and command.tries >= _TRIES_OF_TIMER_COMMANDS:
        return LeaveToTimer()
    first_tried = command.first_tried or now
    if now - first_tried >= _GIVE_UP_AFTER:
        return GiveUp(f"Given up after {command.tries} tries in 24 h: {error}")
    tries = command.tries + 1
    retry = command.model_copy(update={"tries": tries, "first_tried": first_tried})
    first = _FIRST_BACK_OFF_AFTER_CONFLICT if isinstance(error, ConflictError) else _FIRST_BACK_OFF
    announce = tries >= _ANNOUNCED_AT_TRY and not command.delay_announced
    return RetryLater(Next(retry, _back_off(command.tries, first)), announce)


def _back_off(tries: int, first: timedelta) -> timedelta:
    """Return a delay that doubles with each try, up to an hour.

    It varies by 20 %, so that commands that failed together are retried at different times.
    """
    delay: timedelta = min(first * 2 ** min(tries, 12), _LONGEST_BACK_OFF)
    return delay * random.uniform(0.8, 1.0)


def retry_on_conflict(attempt: Callable[[], T], subject: str) -> T:
    """Return the result of `attempt`, which reads a record and saves it. Repeat it after each ConflictError.

    Raise ConflictError if other writers are quicker every time.
    """
    for _ in range(_ROUNDS_AFTER_CONFLICT):
        try:
            return attempt()
        except ConflictError as error:
            log.debug("conflict_retried", subject=subject, error=error)
    raise ConflictError(f"{subject} is being changed by other writers: try again in a minute")


def send_or_leave_to_timer(queue: "WorkQueue", *commands: AnyCommand) -> None:
    """Send commands for work that is in the ledger. If the queue is not available, the timer sends them.

    After one command could not be sent, no other is tried: the caller would wait for each time-out.
    """
    for number, command in enumerate(commands):
        try:
            queue.send(command)
        except TransientError as error:
            for left in commands[number:]:
                log.warning("command_left_to_timer", command=left.kind, error=error, **command_ids(left))
            return


def repeat_after(command: AnyCommand, delay: timedelta) -> list[Next]:
    """Return the command to be carried out again after a delay of at least a second.

    Return nothing if the command came from the timer, which sends it again by itself.
    """
    return [] if command.cause.startswith(FROM_TIMER) else [Next(command, max(delay, _SHORTEST_DELAY))]


def look_again(command: AnyCommand, elapsed: timedelta, longest: timedelta = LONGEST_DELAY) -> list[Next]:
    """Return the command to be carried out again. The delay grows with the elapsed time of the work."""
    return repeat_after(command, min(elapsed / 10, longest))
