"""Carries commands out: the one place that catches what handlers raise. Knows no handler's business."""

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import QUEUE_SUBJECT, command_subject
from tidegate.errors import ConfigError, ConflictError, NotFoundError, PermanentError, TransientError
from tidegate.log import Log, bound
from tidegate.messages.commands import (
    FROM_REPLAY,
    FROM_TIMER,
    AnyCommand,
    Follows,
    Next,
    Notify,
    command_ids,
    decode,
)

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

Handlers = Mapping[type[Any], Callable[[Any], Follows]]

_FIRST_PAUSE = timedelta(seconds=5)
_CONFLICT_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(hours=1)
_GIVEN_UP_AFTER = timedelta(hours=24)
_ANNOUNCED_AT_TRY = 5  # some minutes after the first
_TIMER_TRIES = 6  # then the timer has sent the same again: chains of tries must not pile up
_VARYING = re.compile(r"[0-9a-f-]{8,}|[0-9]+")  # ids and counts in the words of an error
_CARRIERS = {"cause", "tries", "first_tried"}  # what a command carries along, and is not about


class Worker:
    """Decode, hand to the handler, send what follows; only then is the message let go of."""

    def __init__(
        self, *, handlers: Handlers, queue: "WorkQueue", ledger: "Ledger", now: Callable[[], datetime]
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._ledger = ledger
        self._now = now

    def carry_out(self, message: str) -> None:
        """Any number of times, to one effect. What it raises brings the message back, then to `give_up`."""
        command = decode(message)
        with bound(cause=command.cause, command=command.kind, **command_ids(command)):
            follows = self._follows(command)
            for follow in follows:
                self._queue.send(follow.command, follow.delay)
            log.info("command_carried_out", follows=",".join(follow.command.kind for follow in follows))

    def give_up(self, message: str) -> None:
        """For messages that crashed the service again and again: a person hears of them."""
        try:
            command = decode(message)
        except ValidationError as error:
            follows = self._unreadable(message, error)
        else:
            follows = self._fail(command, "It crashed the service five times; the log has the traceback.")
        for follow in follows:
            self._queue.send(follow.command, follow.delay)

    def _follows(self, command: AnyCommand) -> Follows:
        try:
            return self._handlers[type(command)](command)
        except (TransientError, NotFoundError, ConfigError) as error:
            return self._try_again(command, error)
        except PermanentError as error:
            log.warning("command_failed", error=error)
            return self._fail(command, str(error))

    def _try_again(self, command: AnyCommand, error: Exception) -> Follows:
        if command.cause.startswith(FROM_TIMER) and command.tries >= _TIMER_TRIES:
            log.warning("command_left_to_timer", error=error)
            return ()
        now, first = self._now(), command.first_tried or self._now()
        if now - first >= _GIVEN_UP_AFTER:
            return self._fail(command, f"Given up after {command.tries} tries in 24 h: {error}")
        pause = _pause(command.tries, _CONFLICT_PAUSE if isinstance(error, ConflictError) else _FIRST_PAUSE)
        log.warning("command_put_off", error=error, tries=command.tries, pause_s=round(pause.total_seconds()))
        later = command.model_copy(update={"tries": command.tries + 1, "first_tried": first})
        announced = (
            self._announce(command, "work.delayed", str(error)) if later.tries == _ANNOUNCED_AT_TRY else ()
        )
        return (Next(later, pause), *announced)

    def _fail(self, command: AnyCommand, why: str) -> Follows:
        return self._announce(command, "work.failed", why)

    def _announce(self, command: AnyCommand, kind: str, why: str) -> Follows:
        """Record it, once a day for the same command and reason, and tell people of it; each replay anew."""
        what = command.model_dump_json(exclude=_CARRIERS)
        what += command.cause if command.cause.startswith(FROM_REPLAY) else ""
        now, ended = self._now(), "failed" if kind == "work.failed" else "is delayed"
        activity = Activity(
            subject=command_subject(command),
            id=f"{kind}-{_digest(what + _VARYING.sub('#', why))}-{now:%Y%m%d}",
            kind=kind,
            at=now,
            title=f"{command.kind} {command_subject(command)} {ended}",
            text=why,
            data={"command": command.model_dump(mode="json", exclude={"tries", "first_tried"})},
            cause=command.cause,
            done=isinstance(command, Notify),  # telling of it would take the way that just failed
        )
        self._ledger.add_failure(activity)
        return () if activity.done else (_notify(activity),)

    def _unreadable(self, message: str, error: ValidationError) -> Follows:
        now = self._now()
        activity = Activity(
            subject=QUEUE_SUBJECT,
            id=f"unreadable-{_digest(message)}-{now:%Y%m%d}",
            kind="work.failed",
            at=now,
            title="A message of the work queue is no command",
            text=f"{error.error_count()} mistakes, the first: {error.errors(include_url=False)[0]['msg']}",
            data={"message": message},
            cause="queue",
        )
        self._ledger.add_failure(activity)
        return (_notify(activity),)


def _pause(tries: int, first: timedelta) -> timedelta:
    """Twice as long each time, up to an hour; spread, so that what failed together returns apart."""
    pause: timedelta = min(first * 2 ** min(tries, 12), _LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.0)


def _notify(activity: Activity) -> Next:
    return Next(Notify(cause=activity.cause, subject=activity.subject, activity=activity.id))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
