"""Pauses of a feed, a model or everything, and the commands that wait until a pause ends."""

import hashlib
import json
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.verdict_records import BySource
from tidegate.messages.commands import (
    DELIVERY_FIELDS,
    AdvanceRollout,
    AnyCommand,
    JudgeModel,
    PromoteModel,
    RetrainModel,
    ScorePartition,
    untried,
)
from tidegate.messages.queue_messages import encode

EVERYTHING = "all"
Target = Annotated[
    str, StringConstraints(pattern=r"^(all|(budget:)?(feed|model):[A-Za-z0-9][A-Za-z0-9_.-]{0,254})$")
]


class Pause(LedgerRecord):
    """A pause that a person requested, or that the service made because a budget is used up.

    It lasts until a person ends it, or until `ends_at`.
    """

    target: str = Field(description="What is paused: `feed:digits`, `model:classifier` or `all`.")
    by: str
    by_source: BySource = "caller"
    reason: str
    since: datetime
    ends_at: datetime | None = Field(
        default=None, description="When the service ends the pause: the next month, after a used up budget."
    )


class WaitingCommand(LedgerRecord):
    """A command that would start work of something that is paused. It is sent when the pause ends."""

    target: str = Field(description="The target of the pause.")
    id: str = Field(description="Derived from the command, so that repetitions are one row.")
    kind: str
    what: str = Field(description="What the command works on.")
    command: str = Field(description="The command as JSON.")
    since: datetime
    repeated: int = Field(default=0, description="How often the same command came again.")


def feed_target(feed: str) -> str:
    """Return the target of a pause of a feed: `feed:digits`."""
    return f"feed:{feed}"


def model_target(model: str) -> str:
    """Return the target of a pause of a model: `model:classifier`."""
    return f"model:{model}"


def budget_target(target: str) -> str:
    """Return the target of the pause that a used up budget makes: `budget:feed:digits`."""
    return f"budget:{target}"


def is_budget(target: str) -> bool:
    return target.startswith("budget:")


def target_of(command: AnyCommand) -> str | None:
    """Return the target to whose work a command belongs, or None if the command never starts work.

    Rollbacks are not listed here: they must be possible at any time.
    """
    match command:
        case ScorePartition():
            return feed_target(command.feed)
        case JudgeModel() | PromoteModel() | AdvanceRollout() | RetrainModel():
            return model_target(command.model)
    return None


def waiting_command(command: AnyCommand, target: str, what: str, now: datetime) -> WaitingCommand:
    """Return the row of a command that waits. Its tries begin again when it is sent."""
    identity = json.dumps(command.model_dump(mode="json", exclude=DELIVERY_FIELDS), sort_keys=True)
    return WaitingCommand(
        target=target,
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        kind=command.kind,
        what=what,
        command=encode(untried(command)),
        since=now,
    )
