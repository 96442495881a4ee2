"""Work that is delayed or has failed: one record for each piece of work, however many commands ask for it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from tidegate.domain.activities.subjects import command_subject
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.messages.commands import DELIVERY_FIELDS, FROM_TIMER, AnyCommand

_VARYING = re.compile(r"[0-9a-f-]{8,}|[0-9]+")  # matches ids and numbers in the text of an error
# A retry that has not come this long after its time is lost: a message at work is hidden for ten minutes.
_LOST_AFTER = timedelta(minutes=15)


class Delay(LedgerRecord):
    """A piece of work that is retried, or that has failed and may still succeed."""

    subject: str
    id: str = Field(description="Derived from the work, so that all commands for it have one record.")
    kind: str = Field(description="The kind of the command: `CheckPartition` ...")
    command: dict[str, Any]
    reason: str
    since: datetime = Field(description="When the work failed for the first time.")
    chain: str | None = Field(
        description="The command whose retries go on. Others for the work are dropped. None after a failure."
    )
    next_try_at: datetime
    joined_at: datetime | None = Field(default=None, description="When a command was dropped last.")
    announced: str | None = Field(default=None, description="Id of the activity that announced the delay.")
    failure: str | None = Field(default=None, description="Id of the activity that recorded the failure.")

    @property
    def cause(self) -> str:
        """Return the reason without ids and numbers, so that it is the same for each request."""
        return digest(without_ids(self.reason))

    def lost(self, now: datetime) -> bool:
        """Return whether the next retry did not come."""
        return self.chain is not None and now >= self.next_try_at + _LOST_AFTER


@dataclass(frozen=True)
class Begin:
    """The command is the first one that is retried for this work, or its chain goes on."""

    delay: Delay


@dataclass(frozen=True)
class Join:
    """The command is dropped: the retries of another command do the same work."""

    delay: Delay


def decide_chain(
    known: Delay | None, command: AnyCommand, reason: str, next_try_at: datetime, now: datetime
) -> Begin | Join:
    """Decide whether a command that is to be retried goes on, or joins the retries of another command.

    A retry that the timer caused ends after some tries, so other commands never join it.
    """
    chain = chain_of(command)
    changed = {"chain": chain, "next_try_at": next_try_at, "reason": reason}
    if known is None:
        return Begin(new_delay(command, now).model_copy(update=changed))
    if known.chain is None:
        return Begin(known.model_copy(update={**changed, "since": now}))
    weaker = known.chain.startswith(FROM_TIMER) and not chain.startswith(FROM_TIMER)
    if known.chain == chain or known.lost(now) or weaker:
        return Begin(known.model_copy(update=changed))
    return Join(known.model_copy(update={"joined_at": now}))


def new_delay(command: AnyCommand, now: datetime) -> Delay:
    """Return the record of work that is not retried yet."""
    return Delay(
        subject=command_subject(command),
        id=work_id(command),
        kind=command.kind,
        command=command.model_dump(mode="json", exclude=DELIVERY_FIELDS | {"due"}),
        reason="",
        since=now,
        chain=None,
        next_try_at=now,
    )


def chain_of(command: AnyCommand) -> str:
    """Return what identifies the retries of one command."""
    return f"{command.cause} {command.first_tried.isoformat() if command.first_tried else ''}"


def work_id(command: AnyCommand) -> str:
    """Return an id of what a command does, the same for each command that does the same."""
    return digest(command.model_dump_json(exclude=DELIVERY_FIELDS | {"due"}))


def announcement_of(delay: Delay, others: list[Delay]) -> str:
    """Return the id of the activity that announces a delay: one for each subject and reason.

    `others` are the delays of the same subject.
    """
    same = [other for other in others if other.cause == delay.cause and other.chain]
    announced = [other.announced for other in same if other.announced]
    if announced:
        return announced[0]
    first = min([delay.since, *(other.since for other in same)])
    return f"work.delayed-{delay.cause}-{first:%Y%m%dT%H%M%S}"


def without_ids(text: str) -> str:
    """Return a text of an error without the ids and numbers that differ each time."""
    return _VARYING.sub("#", text)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
