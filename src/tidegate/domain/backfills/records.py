"""The record of a backfill: partitions of a feed that are scored again, some at a time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.verdict_records import BySource
from tidegate.errors import RefusedError
from tidegate.messages.commands import Name
from tidegate.messages.partition_id import PartitionId

Action = Literal["pause", "resume", "cancel"]


class BackfillState(StrEnum):
    """The state of a backfill: the first three are live, the others final."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"

    @property
    def final(self) -> bool:
        return self in (BackfillState.CANCELLED, BackfillState.DONE)


class NamedPartition(BaseModel):
    """A partition that was skipped or that failed, and why."""

    partition: str
    why: str


class BackfillProgress(BaseModel):
    """How far a backfill is. A partition runs from the claim of its generation to the end of its job."""

    done: int = 0
    running: int = 0
    waiting: int = 0
    failed: list[NamedPartition] = Field(default=[])


class BackfillChange(BaseModel):
    """What a person did to a backfill after its request."""

    action: Action
    by: str
    at: datetime


class Backfill(LedgerRecord):
    """A person's request to score a range of partitions again, with its progress."""

    feed: Name
    id: Name = Field(description="The range and a number: `202601-202610-1`.")
    first: PartitionId
    last: PartitionId
    model: str = Field(description="The model version that scores, fixed by the request: `classifier:3`.")
    only_missing: bool = Field(
        default=False, description="Whether partitions with a result of this model version were skipped."
    )
    max_live: int = Field(ge=1, description="How many of its partitions are scored at a time.")
    by: str
    by_source: BySource = "caller"
    reason: str
    idempotency_key: str | None = None
    requested_at: datetime
    state: BackfillState = BackfillState.RUNNING
    partitions: list[str] = Field(default=[], description="The partitions to score, oldest first.")
    skipped: list[NamedPartition] = Field(default=[])
    progress: BackfillProgress = BackfillProgress()
    changes: list[BackfillChange] = Field(default=[])
    ended_at: datetime | None = None

    @property
    def cause(self) -> str:
        """Return the cause of what the request leads to."""
        return f"request-backfill-{self.feed}-{self.id}"

    @property
    def total(self) -> int:
        """Return the number of partitions in the range."""
        return len(self.partitions) + len(self.skipped)

    def asks_for(self, request: "RequestedBackfill") -> bool:
        """Return whether this is the backfill of an equal request."""
        own = RequestedBackfill(self.first, self.last, self.model, self.only_missing, self.max_live)
        return own == request

    def overlaps(self, request: "RequestedBackfill") -> bool:
        """Return whether a partition is in the range of both."""
        return self.first <= request.last and request.first <= self.last


@dataclass(frozen=True)
class RequestedBackfill:
    """What makes two requests for a backfill of a feed the same."""

    first: str
    last: str
    model: str
    only_missing: bool
    max_live: int


_STATES: dict[Action, dict[BackfillState, BackfillState]] = {
    "pause": {
        BackfillState.RUNNING: BackfillState.PAUSED,
        BackfillState.PAUSED: BackfillState.PAUSED,
    },
    "resume": {
        BackfillState.RUNNING: BackfillState.RUNNING,
        BackfillState.PAUSED: BackfillState.RUNNING,
    },
    "cancel": {
        BackfillState.RUNNING: BackfillState.CANCELLING,
        BackfillState.PAUSED: BackfillState.CANCELLING,
        BackfillState.CANCELLING: BackfillState.CANCELLING,
        BackfillState.CANCELLED: BackfillState.CANCELLED,
    },
}


def decide_state(backfill: Backfill, action: Action) -> BackfillState:
    """Return the state after a person's action. Raise RefusedError if the state does not allow it."""
    following = _STATES[action].get(backfill.state)
    if following is None:
        name = f"{backfill.id} of {backfill.feed}"
        detail = f"The backfill {name} is {backfill.state}, so there is nothing to {action}"
        raise RefusedError(409, "Conflict", detail)
    return following
