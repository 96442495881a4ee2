"""A month's record in the ledger, with its versions and their generations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.partitions.names import result_name, version_name
from tidegate.messages.commands import MonthId, Name


class ScoringState(StrEnum):
    """Where a generation stands; the first three are live, the others final."""

    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    JOB_COMPLETED = "job_completed"
    SCORED = "scored"
    INCOMPLETE = "incomplete"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (ScoringState.CLAIMED, ScoringState.SUBMITTED, ScoringState.JOB_COMPLETED)


class Generation(BaseModel):
    """One deliberate scoring of a month version: the model is resolved once, when it is claimed."""

    number: int = Field(ge=1)
    state: ScoringState = ScoringState.CLAIMED
    model_name: str
    model_version: str
    attempt: int = Field(default=1, ge=1, description="Resubmissions after preemption, plus one.")
    compute: str
    job: str | None = Field(default=None, description="Name of the newest attempt's job.")
    reason: str = Field(description="Why: complete, late files, or the words of the person who asked.")
    idempotency_key: str | None = None
    claimed_at: datetime
    ended_at: datetime | None = None
    outcome: dict[str, Any] | None = Field(
        default=None, description="Counts and paths, from reconciliation.json."
    )
    error: str | None = None


class MonthVersion(BaseModel):
    """A snapshot of a month's files. Its identity is the manifest's hash."""

    number: int = Field(ge=1)
    manifest_hash: str
    manifest_path: str = Field(description="Path of the manifest in workspaceblobstore.")
    files: int
    bytes: int
    reason: str = Field(description="What completed it: marker, list, quiet, deadline, late files.")
    snapshot_at: datetime
    registered: bool = Field(default=False, description="Whether the Data asset version exists.")
    generations: list[Generation] = []


class Month(LedgerRecord):
    """One partition of a feed, with its versions and their generations."""

    feed: Name
    month: MonthId
    check_due: datetime | None = Field(default=None, description="When the one delayed check is due.")
    deadline_announced: bool = False
    late_announced: list[str] = Field(
        default=[], description="Hashes of changed listings that were announced."
    )
    listed_at: datetime | None = None
    versions: list[MonthVersion] = Field(default=[])
    result: str | None = Field(default=None, description="The current result: `202611-1-g1`.")

    @property
    def latest(self) -> MonthVersion | None:
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> MonthVersion | None:
        return next((v for v in self.versions if v.number == number), None)

    @property
    def claims(self) -> list["Claim"]:
        """Every generation of every version, oldest first."""
        return [Claim(self, v, g) for v in self.versions for g in v.generations]

    def claim(self, version: int, generation: int) -> "Claim | None":
        wanted = (version, generation)
        return next((c for c in self.claims if (c.version.number, c.generation.number) == wanted), None)

    def claimed_with(self, key: str | None) -> "Claim | None":
        """The generation that a request with this idempotency key became."""
        return next((c for c in self.claims if key and c.generation.idempotency_key == key), None)


@dataclass(frozen=True)
class Claim:
    """A generation in its place: what changes in it is saved with its record."""

    record: Month
    version: MonthVersion
    generation: Generation

    @property
    def ids(self) -> dict[str, Any]:
        """As commands and jobs name it."""
        return {
            "feed": self.record.feed,
            "month": self.record.month,
            "version": self.version.number,
            "generation": self.generation.number,
        }

    @property
    def version_name(self) -> str:
        """`202611-1`"""
        return version_name(self.record.month, self.version.number)

    @property
    def name(self) -> str:
        """`202611-1-g1`"""
        return result_name(self.record.month, self.version.number, self.generation.number)
