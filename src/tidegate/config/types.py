"""The types of the values in tidegate.yml: what each allows, and what its error message says."""

import re
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from tidegate.messages.partition_id import PartitionId

_ASSET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_WILDCARD = re.compile(r"[*?\[\]{}]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def url_scheme(url: str) -> str:
    """Return the scheme of a channel's URL for logs and reports: the rest of the URL is a secret."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else "no scheme"


class Section(BaseModel):
    """A section of the file. It is frozen and rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LocatedError(ValueError):
    """A mistake in a key below the section that found it: `location` has the keys that lead there."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a number and a unit (s, m, h or d), such as 90s, 15m, 6h or 3d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("write a duration longer than zero, such as 90s, 15m, 6h or 3d")
    return value


def _partition(value: str) -> str:
    try:
        return TypeAdapter(PartitionId).validate_python(value)
    except ValueError:
        raise ValueError(
            "write the first month as year and month, such as 202601, or the first day of a daily "
            "feed, such as 20260115"
        ) from None


def _file_in_partition(value: str) -> str:
    if {"", ".", ".."} & set(value.split("/")) or _WILDCARD.search(value) or "\\" in value:
        raise ValueError(
            "write a file name relative to the partition's folder, such as _SUCCESS or lists/files.txt. "
            "It is the name of one file, so the characters * ? [ ] { } are not allowed"
        )
    return value


def _matches(pattern: str, allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"write {allowed}")
        return value

    return AfterValidator(check)


WorkspaceRole = Literal["development", "production"]
Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
FirstPartition = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    AfterValidator(_partition),
]
FeedName = Annotated[
    str, _matches(r"[a-z0-9][a-z0-9-]{0,39}", "1 to 40 lowercase letters, digits and dashes")
]
Account = Annotated[
    str, _matches(r"[a-z0-9]{3,24}", "the name of a storage account: 3 to 24 lowercase letters and digits")
]
Container = Annotated[
    str,
    _matches(
        r"(?!tidegate-)[a-z0-9](-?[a-z0-9]){2,62}",
        "the name of a container; names that begin with tidegate- are reserved",
    ),
]
FileInPartition = Annotated[str, AfterValidator(_file_in_partition)]
AssetName = Annotated[str, _matches(_ASSET_NAME, "a name that Azure ML allows: letters, digits, _ . -")]
ModelReference = Annotated[
    str, _matches(_ASSET_NAME + r"(:[1-9]\d{0,9})?", "the name of a model, or name:3 for its version 3")
]
DataVersion = Annotated[
    str, _matches(rf"{_ASSET_NAME}:{_ASSET_NAME}", "the name and version of a Data asset, such as holdout:4")
]
Holdout = Annotated[
    str,
    _matches(
        rf"newest|{_ASSET_NAME}:{_ASSET_NAME}",
        "the name and version of a Data asset, such as holdout:4, or newest for a model set",
    ),
]
ScriptFile = Annotated[
    str,
    _matches(
        r"(?!/)(?!.*(?:^|/)\.{1,2}/)(?:[A-Za-z0-9_.-]+/)+[A-Za-z_][A-Za-z0-9_]*\.py",
        "a Python file in a folder of its own beside tidegate.yml, such as scoring/score.py",
    ),
]
EnvironmentReference = Annotated[
    str,
    _matches(
        r"azureml:.+(:.+|@latest)",
        "a registered environment: azureml:name:version or azureml:name@latest",
    ),
]
InputName = Annotated[
    str, _matches(r"[A-Za-z_][A-Za-z0-9_]{0,62}", "the name of an input: letters, digits and underscores")
]
PipelineInputs = dict[InputName, str | bool | int | float]
EndpointName = Annotated[
    str,
    _matches(
        r"[a-z][a-z0-9-]{1,30}[a-z0-9]",
        "the name of an endpoint: 3 to 32 lowercase letters, digits and dashes",
    ),
]
ClockTime = Annotated[str, _matches(r"([01]\d|2[0-3]):[0-5]\d", 'a time of day in quotes: "06:00"')]
ActivityPattern = Annotated[
    str,
    _matches(
        r"\*|[a-z]+\.(\*|[a-z_]+)",
        "a kind of activity, or a pattern with *, such as partition.scored, partition.* or *",
    ),
]
Filled = Annotated[str, StringConstraints(min_length=1)]


class WhenStuck(StrEnum):
    """What follows if a job has passed a time limit, after people were notified of it."""

    ALERT = "alert"
    RESUBMIT = "resubmit"


class StartLimit(Section):
    """How long a job, or one of its steps, may wait for nodes."""

    after: Duration = timedelta(hours=2)
    then: WhenStuck = WhenStuck.RESUBMIT


class RunLimit(Section):
    """How long a job may run. The limit is three times the usual time, but not less than `after`."""

    after: Duration = timedelta(hours=1)
    first: Duration = Field(
        default=timedelta(days=1),
        description="The limit while no earlier job of the same kind and feed or model has completed.",
    )
    then: WhenStuck = WhenStuck.ALERT


class SilenceLimit(Section):
    """How long a running step may write nothing to its log files."""

    after: Duration = timedelta(hours=2)
    then: WhenStuck = WhenStuck.ALERT


class JobLimits(Section):
    """The time limits of one kind of job. After a limit the job counts as stuck."""

    start: StartLimit = StartLimit()
    run: RunLimit = RunLimit()
    silent: SilenceLimit = SilenceLimit()
    resubmits: int = Field(
        default=1, ge=0, le=10, description="How often a job is submitted again because it was stuck."
    )


def further_inputs(inputs: dict[str, Any], of_service: Collection[str]) -> dict[str, Any]:
    """Return the values for further inputs of a pipeline. Raise ValueError if the service sets one."""
    if taken := sorted(inputs.keys() & set(of_service)):
        raise ValueError(f"leave out {', '.join(taken)}: the service sets this input of the pipeline")
    return inputs


class JobClusters(Section):
    """The clusters and time limits of one kind of job.

    `attempts` says how often a preempted job is submitted to the first cluster.
    """

    compute: AssetName
    fallback: AssetName | None = None
    attempts: int = Field(default=3, ge=1, le=10)
    limits: JobLimits = JobLimits()

    @model_validator(mode="after")
    def _fallback_is_another_cluster(self) -> "JobClusters":
        if self.fallback == self.compute:
            raise ValueError(
                f"fallback is {self.fallback}, the same as compute: name another cluster, or leave it out"
            )
        return self

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters."""
        return (self.compute, *([self.fallback] if self.fallback else []))
