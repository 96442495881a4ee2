"""The record of a partition in the ledger, with its versions and their generations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from tidegate.domain.ledger_record import LedgerRecord, PartialRecord
from tidegate.domain.partitions.left_out import LeftOut, NamedFiles
from tidegate.domain.partitions.names import result_name, version_name
from tidegate.messages.commands import Name
from tidegate.messages.partition_id import PartitionId


class ScoringState(StrEnum):
    """The state of a generation: the first three are live, the others final."""

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


class WorstError(BaseModel):
    """An error that several images have, with the names of some of them."""

    error: str
    count: int
    images: list[str] = Field(default=[])


class ImageNote(BaseModel):
    """Something that the pixels of several scored images may lack, with the names of some of them."""

    note: str
    count: int
    images: list[str] = Field(default=[])


class ScoringOutcome(PartialRecord):
    """What a job published: counts, names of the first files, and the CSV's URL, from reconciliation.json."""

    verdict: Literal["ok", "incomplete", "too_many_errors"] = "ok"
    files: int = 0
    rows: int = 0
    errors: int = 0
    error_rate: float = 0.0
    max_error_rate: float = 0.0
    missing: int = 0
    doubled: int = 0
    missing_names: list[str] = Field(default=[])
    doubled_names: list[str] = Field(default=[])
    worst_errors: list[WorstError] = Field(default=[])
    notes: list[ImageNote] = Field(default=[], description="What the pixels of scored images may lack.")
    decoder: str | None = Field(default=None, description="The version of the pipeline's image decoder.")
    labels: dict[str, int] = Field(default={})
    mean_score: float | None = None
    csv: str | None = None


class Generation(BaseModel):
    """One deliberate scoring of a partition version.

    Its model version is chosen once, when the generation is claimed.
    """

    number: int = Field(ge=1)
    state: ScoringState = ScoringState.CLAIMED
    model_name: str
    model_version: str
    attempt: int = Field(default=1, ge=1, description="1, plus the number of resubmissions after preemption.")
    compute: str
    job: str | None = Field(default=None, description="Name of the newest attempt's job.")
    reason: str = Field(
        description="Why the version is scored: it is complete, files changed, or a person's reason."
    )
    by: str | None = Field(default=None, description="The person who requested it.")
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    idempotency_key: str | None = None
    backfill: str | None = Field(default=None, description="Id of the backfill that the scoring belongs to.")
    claimed_at: datetime
    ended_at: datetime | None = None
    outcome: ScoringOutcome | None = None
    error: str | None = None


class PartitionVersion(BaseModel):
    """A snapshot of a partition's files, identified by the hash of its manifest."""

    number: int = Field(ge=1)
    manifest_hash: str
    manifest_path: str = Field(description="Path of the manifest in workspaceblobstore.")
    etags: str | None = Field(
        default=None, description="Hash of the names and ETags when the contents were last looked at."
    )
    other_md5: int = Field(
        default=0, description="How many files have a Content-MD5 that is not the MD5 of their content."
    )
    files: int
    bytes: int
    reason: str = Field(
        description="What completed the partition: marker, list, quiet time, deadline or late files."
    )
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    snapshot_at: datetime
    registered: bool = Field(default=False, description="Whether the Data asset version exists.")
    before_installation: bool = Field(
        default=False, description="Whether its files were there before the feed was installed."
    )
    left_out: LeftOut = Field(default=LeftOut(), description="The files that are not part of the version.")
    unusable: NamedFiles = Field(
        default=NamedFiles(),
        description="The files that no job can read, with the reasons. Each becomes a row with its error.",
    )
    archived: int = Field(default=0, description="How many files were in the archive tier.")
    profile: str | None = Field(default=None, description="URL of profile.json: what the files contain.")
    generations: list[Generation] = Field(default=[])

    @property
    def superseded(self) -> bool:
        """Whether the newest predictions do not count because files changed during the scoring."""
        return bool(self.generations) and self.generations[-1].state is ScoringState.SUPERSEDED


class Partition(LedgerRecord):
    """The record of a feed's partition in the ledger, with its versions and their generations."""

    feed: Name
    partition: PartitionId
    check_due: datetime | None = Field(default=None, description="When the delayed check is due.")
    arriving_since: datetime | None = Field(
        default=None, description="Since when files have arrived that the delayed check will list."
    )
    deadline_announced: bool = False
    missing_announced: str | None = Field(
        default=None, description="ETag of the list file whose missing files were announced."
    )
    late_announced: list[str] = Field(
        default=[], description="Hashes of the changed listings that were announced."
    )
    listed_at: datetime | None = None
    listed_files: int = Field(default=0, description="How many files the last listing had.")
    listed_old: int = Field(
        default=0, description="How many files of the last listing were a minute older than it, or more."
    )
    arrived_at: datetime | None = Field(
        default=None, description="When old files were first listed, because they were moved here."
    )
    left_out: LeftOut = Field(
        default=LeftOut(), description="The files of the last listing that are part of no version."
    )
    versions: list[PartitionVersion] = Field(default=[])
    result: str | None = Field(default=None, description="The current result: `202611-1-g1`.")

    @property
    def latest(self) -> PartitionVersion | None:
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> PartitionVersion | None:
        return next((v for v in self.versions if v.number == number), None)

    @property
    def claims(self) -> list["Claim"]:
        """Return every generation of every version, oldest first."""
        return [Claim(self, v, g) for v in self.versions for g in v.generations]

    def claim(self, version: int, generation: int) -> "Claim | None":
        numbers = (version, generation)
        return next((c for c in self.claims if (c.version.number, c.generation.number) == numbers), None)

    def claimed_with(self, key: str | None) -> "Claim | None":
        """Return the generation that a request with this idempotency key created, or None."""
        return next((c for c in self.claims if key and c.generation.idempotency_key == key), None)

    def live_claim(self, version: int) -> "Claim | None":
        """Return the newest generation of a version that has no final state yet, or None."""
        live = [c for c in self.claims if c.version.number == version and not c.generation.state.final]
        return live[-1] if live else None


@dataclass(frozen=True)
class Claim:
    """A generation with the version and the partition that it belongs to. It is saved with the partition."""

    record: Partition
    version: PartitionVersion
    generation: Generation

    @property
    def ids(self) -> dict[str, Any]:
        """Return the ids by which commands and jobs name the generation."""
        return {
            "feed": self.record.feed,
            "partition": self.record.partition,
            "version": self.version.number,
            "generation": self.generation.number,
        }

    @property
    def awaits_submission(self) -> bool:
        """Return whether no attempt of the generation's job was submitted yet, as far as is recorded."""
        generation = self.generation
        return generation.state is ScoringState.CLAIMED and not generation.job and generation.attempt == 1

    @property
    def version_name(self) -> str:
        """Return the name of the version: `202611-1`."""
        return version_name(self.record.partition, self.version.number)

    @property
    def name(self) -> str:
        """Return the name of the generation: `202611-1-g1`."""
        return result_name(self.record.partition, self.version.number, self.generation.number)
