"""An activity: something that happened and that people may want to know."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from tidegate.domain.ledger_record import LedgerRecord


@dataclass(frozen=True)
class Trigger:
    """The time at which something was noticed, and the id of its cause: an event, request or timer tick."""

    at: datetime
    cause: str


class Activity(LedgerRecord):
    """Something that happened and that people may want to know.

    Its id is derived from what happened, so that a repetition records it only once.
    """

    subject: str = Field(description="What the activity is about: see subjects.py.")
    id: str
    kind: str = Field(description="`partition.scored`, `partition.late`, `work.failed` ...")
    at: datetime
    title: str
    text: str
    data: dict[str, Any] = Field(default={})
    cause: str
    sent: list[str] = Field(
        default=[], description="Channels that received the activity (hashes of their URLs, or a topic)."
    )
    taken_at: datetime | None = Field(
        default=None,
        description="When a worker began to send the activity. Other workers do not send it at that time.",
    )
    done: bool = Field(
        default=False, description="Whether all channels that subscribe to its kind received it."
    )
    replayed_at: datetime | None = Field(
        default=None,
        description="When a person replayed the failed work. If it fails again, a new activity is recorded.",
    )

    replayed_by: str | None = Field(default=None, description="The person who replayed it.")

    closed_at: datetime | None = Field(
        default=None,
        description="When the same work succeeded after the failure, so that no person has to act.",
    )

    @property
    def failed(self) -> bool:
        """Return whether this is work that will not be done unless a person acts."""
        return self.kind in ("event.rejected", "work.failed")

    @property
    def ended_at(self) -> datetime | None:
        """Return when a failure was replayed or closed, or None if a person has to handle it."""
        return self.replayed_at or self.closed_at

    @property
    def replayable(self) -> bool:
        """Return whether the failed work was kept: the blob of a rejected event, a command or a message."""
        return self.failed and not {"blob", "command", "message"}.isdisjoint(self.data)

    @property
    def short_id(self) -> str:
        """Return a short id that is unique among all activities, for people: `3f2a9c81d04e`."""
        return hashlib.sha256(f"{self.subject}/{self.id}".encode()).hexdigest()[:12]
