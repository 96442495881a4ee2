"""The record of an Azure ML job that the service submitted."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.messages.commands import Name


class JobKind(StrEnum):
    """The kind of work that a job does."""

    SCORING = "scoring"
    EVALUATION = "evaluation"
    RETRAINING = "retraining"


class JobEnd(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    PREEMPTED = "preempted"  # the work is submitted again as the next attempt
    CANCELLED = "cancelled"
    FAILED = "failed"


class Preemption(BaseModel):
    """What showed that a job was preempted: it lost its low-priority nodes."""

    sign: str = Field(description="The name of the sign that matched.")
    run: str = Field(description="The job or the step that shows the sign.")
    status: str
    field: Literal["code", "message"]
    matched: str = Field(description="The code, or the line of the message, that matched.")
    source: str = Field(description="The page on which the sign was reported or is described.")

    @property
    def text(self) -> str:
        return f"{self.run} is {self.status} with the {self.field} {self.matched!r}"


class Job(LedgerRecord):
    """An Azure ML job that the service submitted, and the work that the job does."""

    workspace: Name
    name: Name
    kind: JobKind
    subject: str = Field(
        description="The work of the job: a scoring `digits:202611-1-g1`, the evaluation of a model version "
        "`classifier:3`, or a model and the drift signal that started its retraining."
    )
    attempt: int
    cluster: str
    pipeline: str = Field(
        description="The pipeline component and its version, which is derived from its content."
    )
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: str = "NotStarted"
    end: JobEnd | None = Field(
        default=None, description="How the job ended. It is set after all consequences of the end are saved."
    )
    cancel_requested: bool = Field(
        default=False, description="Whether a person cancelled the job: Azure showed CancelRequested."
    )
    reason: str | None = Field(
        default=None, description="Why the job was cancelled or submitted again, or why it failed."
    )
    preemption: Preemption | None = Field(
        default=None, description="The sign by which the service recognized that the job was preempted."
    )
    checked_at: datetime | None = None

    @property
    def owner(self) -> str:
        """The feed or the model that the job belongs to."""
        return self.subject.partition(":")[0]

    @property
    def work(self) -> str:
        """What the job works on: the scoring of a partition, a model version or a drift signal."""
        return self.subject.partition(":")[2]
