"""Commands: work to do, imperative. They carry ids and their cause, never payloads, and travel as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")]
MonthId = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(0[1-9]|1[0-2])$")]

FROM_TIMER = "timer-"  # how the cause of what the timer started begins
FROM_REPLAY = "replay-"  # and of what a person had tried again


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: str = Field(
        description="Id of the event, request or timer tick that led here; kept along the chain."
    )
    tries: int = Field(default=0, ge=0, description="How often a transient failure sent it back already.")
    first_tried: datetime | None = Field(
        default=None, description="Set at the first failure; 24 h later it is given up."
    )


class CheckMonth(_Command):
    """List a month's files and decide whether they are complete. With `due`, not before that time."""

    kind: Literal["CheckMonth"] = "CheckMonth"
    feed: Name
    month: MonthId
    due: datetime | None = None


class ScoreMonth(_Command):
    """Bring one generation of a month version to a submitted job."""

    kind: Literal["ScoreMonth"] = "ScoreMonth"
    feed: Name
    month: MonthId
    version: int = Field(ge=1)
    generation: int = Field(default=1, ge=1)


class FinishMonth(_Command):
    """Take the result of a completed job into the ledger: reconciled, registered, announced."""

    kind: Literal["FinishMonth"] = "FinishMonth"
    feed: Name
    month: MonthId
    version: int = Field(ge=1)
    generation: int = Field(ge=1)


class CheckJob(_Command):
    """Re-read a job's true state and act on it."""

    kind: Literal["CheckJob"] = "CheckJob"
    workspace: Name
    job: Name


class _ModelCommand(_Command):
    model: Name
    version: Name = Field(description="The version in the development workspace.")


class JudgeModel(_ModelCommand):
    """Bring a version to a verdict: begin its evaluation, or take what came of it."""

    kind: Literal["JudgeModel"] = "JudgeModel"


class PromoteModel(_ModelCommand):
    """Bring a version with a passing verdict into production: wait for approval, copy, verify, register."""

    kind: Literal["PromoteModel"] = "PromoteModel"


class AdvanceRollout(_ModelCommand):
    """Take the next step of a version's rollout, or take it back."""

    kind: Literal["AdvanceRollout"] = "AdvanceRollout"


class RollbackModel(_Command):
    """Make the previous champion the champion again, endpoint included."""

    kind: Literal["RollbackModel"] = "RollbackModel"
    model: Name
    to: Name = Field(description="The production version to go back to: a repetition goes back once.")
    champion: Name = Field(description="The one of when it was asked for: another one is not taken back.")
    by: str
    by_source: Literal["entra", "caller"] = "caller"
    reason: str


class WeighDrift(_Command):
    """Take in a signal about a model, once, and decide what it means after those that its record has."""

    kind: Literal["WeighDrift"] = "WeighDrift"
    model: Name
    source: Literal["measurement", "monitor", "dataset_monitor", "renew"]
    of: str = Field(
        max_length=1024,
        description="A result `digits:202611-1-g1`, a run and its signal, a monitor, a month.",
    )
    said: str = Field(
        default="", max_length=4096, description="A monitor's words: it cannot be asked for them later."
    )


class RetrainModel(_Command):
    """Bring a retraining that was decided on to a registered model."""

    kind: Literal["RetrainModel"] = "RetrainModel"
    model: Name
    signal: Name


class Notify(_Command):
    """Tell people of one activity, once."""

    kind: Literal["Notify"] = "Notify"
    subject: str = Field(description="The activity's subject, its partition in the ledger.")
    activity: str = Field(description="The activity's id within its subject.")


class Reconcile(_Command):
    """Send a command for whatever is unfinished, expected or was missed."""

    kind: Literal["Reconcile"] = "Reconcile"


AnyCommand = (
    CheckMonth
    | ScoreMonth
    | FinishMonth
    | CheckJob
    | JudgeModel
    | PromoteModel
    | AdvanceRollout
    | RollbackModel
    | WeighDrift
    | RetrainModel
    | Notify
    | Reconcile
)
Command = Annotated[AnyCommand, Field(discriminator="kind")]

_adapter: TypeAdapter[AnyCommand] = TypeAdapter(Command)


@dataclass(frozen=True)
class Next:
    """A command that follows, and how long to wait before it is looked at (0 to 1 h)."""

    command: AnyCommand
    delay: timedelta = timedelta()


Follows = Sequence[Next]


def command_ids(command: AnyCommand) -> dict[str, object]:
    """Return the ids of what a command works on, without its cause and its tries."""
    return command.model_dump(exclude={"kind", "due", "cause", "tries", "first_tried"})


def encode(command: AnyCommand) -> str:
    return command.model_dump_json(exclude_defaults=False)


def decode(text: str | bytes) -> AnyCommand:
    """Raises pydantic.ValidationError where the text is no command of ours."""
    return _adapter.validate_json(text)
