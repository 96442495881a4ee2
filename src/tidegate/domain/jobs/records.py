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
    COMPARISON = "comparison"  # of the forecasts of a model set with actual values
    REGISTRATION = "registration"  # of the members of a model set as models of their own


class JobEnd(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    PREEMPTED = "preempted"  # the work is submitted again as the next attempt
    CANCELLED = "cancelled"
    FAILED = "failed"
    STUCK = "stuck"  # the service cancelled it after a time limit, and the work is submitted again


class Limit(StrEnum):
    """The time limit that a job has passed: see `limits` in tidegate.yml."""

    START = "start"
    RUN = "run"
    SILENT = "silent"


class StuckRun(BaseModel):
    """A job, or a step of a job, that has passed a time limit. It is announced once for each limit."""

    limit: Limit
    run: str = Field(description="The job or the step that has passed the limit.")
    state: str
    since: datetime = Field(description="When it began to wait, to run or to be silent.")
    allowed_s: float = Field(description="The limit in seconds.")
    usual_s: float | None = Field(
        default=None,
        description="The seconds within which 95 % of the earlier jobs of the same kind and feed or model "
        "completed, or null if there are none.",
    )
    noticed_at: datetime
    resubmit_on: str | None = Field(
        default=None,
        description="The cluster of the next attempt, if the service cancelled the job because of the limit.",
    )


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


class NodeUsage(BaseModel):
    """The time that the nodes of one cluster spent on a job."""

    cluster: str
    priority: Literal["dedicated", "low_priority"] | None = Field(
        default=None, description="The priority of the nodes, if Azure said it."
    )
    node_s: float = Field(description="Seconds, times the number of nodes.")


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
    tags: dict[str, str] = Field(default={}, description="The tags of the job in Azure ML.")
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
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
    usage: list[NodeUsage] | None = Field(
        default=None, description="The node-seconds of a job that has ended, or None if they are not known."
    )
    month: str | None = Field(
        default=None, description="The month in which it was submitted, for its cost: `202611`."
    )
    reason: str | None = Field(
        default=None, description="Why the job was cancelled or submitted again, or why it failed."
    )
    preemption: Preemption | None = Field(
        default=None, description="The sign by which the service recognized that the job was preempted."
    )
    stuck: list[StuckRun] = Field(default=[], description="The time limits that the job has passed.")
    limits_due: datetime | None = Field(
        default=None, description="When the job's time limits are checked next."
    )
    checked_at: datetime | None = None

    @property
    def resubmit_on(self) -> str | None:
        """The cluster of the next attempt if the service cancelled the job because it was stuck."""
        return next((stuck.resubmit_on for stuck in self.stuck if stuck.resubmit_on), None)

    @property
    def owner(self) -> str:
        """The feed or the model that the job belongs to."""
        return self.subject.partition(":")[0]

    @property
    def work(self) -> str:
        """What the job works on: the scoring of a partition, a model version or a drift signal."""
        return self.subject.partition(":")[2]
