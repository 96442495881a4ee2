"""tidegate.yml as values: what each key means and allows. configfile.py reads it."""

import hashlib
import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

_ASSET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a number and one of s, m, h, d: 90s, 15m, 6h, 3d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("must be longer than nothing: 90s, 15m, 6h, 3d")
    return value


def _month_pattern(value: str) -> str:
    shape = re.fullmatch(r"(?:[^{}\\]*/)?\{yyyy\}[/_-]?\{MM\}/", value)
    if not shape or value.startswith("/") or {"", ".", ".."} & set(value.removesuffix("/").split("/")):
        raise ValueError(
            'write folders with {yyyy} and {MM} and a slash at the end: "{yyyy}{MM}/", "in/{yyyy}/{MM}/"'
        )
    if value.startswith("predictions/"):
        raise ValueError("predictions/ is where results are published: a feed there would feed on itself")
    return value


def _file_in_month(value: str) -> str:
    if {"", ".", ".."} & set(value.split("/")) or "\\" in value:
        raise ValueError("write a file name relative to the month's folder: _SUCCESS, lists/files.txt")
    return value


def _like(pattern: str, allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"write {allowed}")
        return value

    return AfterValidator(check)


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
Month = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    _like(r"\d{4}(0[1-9]|1[0-2])", "a month as year and month: 202601"),
]
FeedName = Annotated[str, _like(r"[a-z0-9][a-z0-9-]{0,39}", "1 to 40 small letters, digits and dashes")]
Account = Annotated[
    str, _like(r"[a-z0-9]{3,24}", "a storage account's name: 3 to 24 small letters and digits")
]
Container = Annotated[
    str,
    _like(
        r"(?!tidegate-)[a-z0-9](-?[a-z0-9]){2,62}",
        "a container's name; those of Tidegate (tidegate-...) are its own",
    ),
]
MonthPattern = Annotated[str, AfterValidator(_month_pattern)]
FileInMonth = Annotated[str, AfterValidator(_file_in_month)]
AssetName = Annotated[str, _like(_ASSET_NAME, "a name of Azure ML: letters, digits, _ . -")]
ModelReference = Annotated[
    str, _like(_ASSET_NAME + r"(:[1-9]\d{0,9})?", "a model's name, or name:3 for version 3")
]
ClockTime = Annotated[str, _like(r"([01]\d|2[0-3]):[0-5]\d", 'a time of day in quotes: "06:00"')]
ActivityPattern = Annotated[
    str,
    _like(r"\*|[a-z]+\.(\*|[a-z_]+)", "the kind of an activity, or with * for all: month.scored, month.*, *"),
]
Filled = Annotated[str, StringConstraints(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Workspace(_Section):
    subscription: Filled
    resource_group: Filled
    name: Filled

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )


class FeedStorage(_Section):
    subscription: Filled
    resource_group: Filled
    account: Account
    container: Container

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.account}"
        )


class Completion(_Section):
    """One way to be complete: every condition that is given must hold."""

    marker: FileInMonth | None = None
    listed_in: FileInMonth | None = None
    quiet_for: Duration | None = None
    min_files: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_something(self) -> "Completion":
        if not self.model_fields_set:
            raise ValueError("give at least one of marker, listed_in, quiet_for, min_files")
        return self


class AfterDeadline(StrEnum):
    ALERT = "alert"
    SCORE = "score"


class Deadline(_Section):
    day: int = Field(ge=1, le=28)
    at: ClockTime = "00:00"
    of: Literal["next_month", "same_month"] = "next_month"
    then: AfterDeadline = AfterDeadline.ALERT


class LatePolicy(StrEnum):
    NEW_VERSION = "new_version"
    ALERT = "alert"
    IGNORE = "ignore"


class LateFiles(_Section):
    then: LatePolicy = LatePolicy.NEW_VERSION
    quiet_for: Duration = timedelta(minutes=15)
    max_versions: int = Field(default=5, ge=1)


class Score(_Section):
    workspace: Literal["development", "production"] = "development"
    pipeline: AssetName
    model: ModelReference = Field(
        description="`name` takes the newest version when a generation is claimed; `name:3` pins it."
    )
    compute: AssetName
    fallback: AssetName | None = None
    publish_compute: AssetName = "cpu"
    attempts: int = Field(default=3, ge=1, le=10)
    max_error_rate: float = Field(default=0.01, ge=0, le=1)


class Feed(_Section):
    storage: FeedStorage
    path: MonthPattern
    only: Filled = "*"
    starts: Month
    complete_when: list[Completion] = Field(min_length=1)
    deadline: Deadline | None = None
    late_files: LateFiles = LateFiles()
    score: Score


class Channel(_Section):
    url: Filled = Field(description="An Apprise URL.", repr=False)
    events: list[ActivityPattern] = Field(default=["*"], min_length=1)


class Workspaces(_Section):
    development: Workspace
    production: Workspace


class Config(_Section):
    timezone: ZoneInfo = ZoneInfo("UTC")
    workspaces: Workspaces
    feeds: dict[FeedName, Feed] = Field(min_length=1)
    notify: list[Channel] = []

    @model_validator(mode="after")
    def _one_feed_a_folder(self) -> "Config":
        owners: dict[tuple[str, str, str], str] = {}
        for name, feed in self.feeds.items():
            place = (feed.storage.account, feed.storage.container, feed.path)
            other = owners.setdefault(place, name)
            if other != name:
                raise ValueError(
                    f"feeds {other} and {name} read the same {'/'.join(place)}: give each its own path"
                )
        return self

    @property
    def digest(self) -> str:
        """Changes with whatever the file means; tells nothing of what it says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
