"""Commands: work to do. They carry ids and their cause.

Only RecordEvent carries a payload: an event must be accepted while the storage hangs that it is recorded in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.messages.partition_id import PartitionId

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")]

# The number of the message format that this release writes. This release also reads all formats with lower
# numbers. Increase the number if an older release would misread the new messages. A new optional field does
# not need a new number.
MESSAGE_FORMAT = 1
FROM_TIMER = "timer-"  # prefix of the cause of commands that the timer sent
FROM_REPLAY = "replay-"  # prefix of the cause of replayed commands
# These fields do not say what the command is for.
DELIVERY_FIELDS = {"format_version", "cause", "origin", "tries", "first_tried", "delay_announced"}


class Origin(BaseModel):
    """What started a chain of commands: one event, the blob events of one look, or a person's request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    what: str = Field(description="The type of the event, or what a person requested.")
    by: str | None = Field(default=None, description="The person or app that made the request.")
    reason: str | None = Field(default=None, description="The reason that the person gave.")
    first: str | None = Field(
        default=None, description="Id of the first blob event that one look at a partition covers."
    )
    last: str | None = Field(default=None, description="Id of the last of these events.")
    events: int = Field(default=1, ge=1, description="How many events there were.")

    def after(self, earlier: "Origin | None") -> "Origin":
        """Return the origin of a look that covers earlier events, too."""
        if earlier is None:
            return self
        changes = {"first": earlier.first or self.first, "events": earlier.events + self.events}
        return self.model_copy(update=changes)


class _Command(BaseModel):
    # A message of another release may have more fields.
    model_config = ConfigDict(frozen=True, extra="ignore")

    format_version: int = Field(
        default=MESSAGE_FORMAT,
        ge=1,
        description="The format of the message. Messages of the first releases have no format.",
    )
    cause: str = Field(
        description="Id of the event, request or timer tick that started the chain of commands."
    )
    origin: Origin | None = Field(
        default=None, description="What the cause is. Only the first command of a chain has it."
    )
    tries: int = Field(
        default=0, ge=0, description="How often the command has failed with a transient error."
    )
    first_tried: datetime | None = Field(
        default=None, description="Time of the first failure. After 24 h the command fails permanently."
    )
    delay_announced: bool = Field(
        default=False, description="Whether people were notified that the command is delayed."
    )


class CheckPartition(_Command):
    """List a partition's files and decide whether they are complete, but not before `due`."""

    kind: Literal["CheckPartition"] = "CheckPartition"
    feed: Name
    partition: PartitionId
    due: datetime | None = None


class ScorePartition(_Command):
    """Claim one generation of a partition version and submit its job."""

    kind: Literal["ScorePartition"] = "ScorePartition"
    feed: Name
    partition: PartitionId
    version: int = Field(ge=1)
    generation: int = Field(default=1, ge=1)


class FinishPartition(_Command):
    """Reconcile, record, register and announce the result of a completed job."""

    kind: Literal["FinishPartition"] = "FinishPartition"
    feed: Name
    partition: PartitionId
    version: int = Field(ge=1)
    generation: int = Field(ge=1)


class AdvanceBackfill(_Command):
    """Claim the next partitions of a backfill, and record its progress and its end."""

    kind: Literal["AdvanceBackfill"] = "AdvanceBackfill"
    feed: Name
    backfill: Name


class CheckJob(_Command):
    """Read the state of a job from Azure and act on it."""

    kind: Literal["CheckJob"] = "CheckJob"
    workspace: Name
    job: Name


class _ModelCommand(_Command):
    model: Name
    version: Name = Field(description="The version in the development workspace.")


class JudgeModel(_ModelCommand):
    """Start the evaluation of a version, or decide its verdict once the evaluation has ended."""

    kind: Literal["JudgeModel"] = "JudgeModel"


class PromoteModel(_ModelCommand):
    """Promote a version with a passing verdict: wait for approval, copy, verify and register it."""

    kind: Literal["PromoteModel"] = "PromoteModel"


class AdvanceRollout(_ModelCommand):
    """Take the next step of a version's rollout, or end the rollout after a failure."""

    kind: Literal["AdvanceRollout"] = "AdvanceRollout"


class RollbackModel(_Command):
    """Make the previous champion the champion again, and restore its endpoint."""

    kind: Literal["RollbackModel"] = "RollbackModel"
    model: Name
    to: Name = Field(
        description="The production version to restore, so that a repeated command restores it once."
    )
    champion: Name = Field(
        description="The champion at the time of the request. If it changed since, nothing is rolled back."
    )
    by: str
    by_source: Literal["entra", "caller"] = "caller"
    reason: str


class WeighDrift(_Command):
    """Record a drift signal about a model, once, and decide whether it starts a training."""

    kind: Literal["WeighDrift"] = "WeighDrift"
    model: Name
    source: Literal["measurement", "monitor", "dataset_monitor", "renew", "partition"]
    of: str = Field(
        max_length=1024,
        description="A result (`digits:202611-1-g1`), a run and its signal, a monitor, a renewal's month, or "
        "a partition (`sales:202611-1`).",
    )
    said: str = Field(
        default="", max_length=4096, description="The text of a monitor, which cannot be read again later."
    )


class RetrainModel(_Command):
    """Submit the job of a retraining. When it has completed, let the gate judge the new version."""

    kind: Literal["RetrainModel"] = "RetrainModel"
    model: Name
    signal: Name


class RegisterMembers(_ModelCommand):
    """Have a job register the members of a model set as models of their own."""

    kind: Literal["RegisterMembers"] = "RegisterMembers"


class Notify(_Command):
    """Send one activity, once, to each channel that subscribes to its kind."""

    kind: Literal["Notify"] = "Notify"
    subject: str = Field(description="The activity's subject, its partition in the ledger.")
    activity: str = Field(description="The activity's id within its subject.")


class RecordEvent(_Command):
    """Record an event that leads to an activity or cannot be used. It carries the event as it came."""

    kind: Literal["RecordEvent"] = "RecordEvent"
    event: str = Field(description="The delivery as Event Grid sent it.")
    at: datetime = Field(description="The time at which it was received.")


class ArchiveHistory(_Command):
    """Write the tables that other programs read, and move old activities to the lake."""

    kind: Literal["ArchiveHistory"] = "ArchiveHistory"
    day: str = Field(pattern=r"^\d{8}$", description="The day for which it is done.")
    step: Literal["tables", "moves"] = "tables"


class Reconcile(_Command):
    """Send a command for each piece of work that is unfinished or due, or whose event was lost."""

    kind: Literal["Reconcile"] = "Reconcile"


AnyCommand = (
    CheckPartition
    | ScorePartition
    | FinishPartition
    | AdvanceBackfill
    | CheckJob
    | JudgeModel
    | PromoteModel
    | AdvanceRollout
    | RollbackModel
    | WeighDrift
    | RetrainModel
    | RegisterMembers
    | Notify
    | RecordEvent
    | ArchiveHistory
    | Reconcile
)
Command = Annotated[AnyCommand, Field(discriminator="kind")]
C = TypeVar("C", bound=_Command)


@dataclass(frozen=True)
class Next:
    """A command that follows, and the delay after which it is carried out (0 to 1 h)."""

    command: AnyCommand
    delay: timedelta = timedelta()


Follows = Sequence[Next]


def command_ids(command: AnyCommand) -> dict[str, object]:
    """Return the ids of what a command works on, without the command's cause and number of tries."""
    return command.model_dump(exclude={*DELIVERY_FIELDS, "kind", "due", "event", "at"})


def untried(command: C) -> C:
    """Return a command as it was before its first try, to be sent again after a pause or a failure."""
    return command.model_copy(update={"tries": 0, "first_tried": None, "delay_announced": False})
