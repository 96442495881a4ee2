"""tidegate.yml as values: what each key means and allows. Loading it with line numbers is `load` below."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from tidegate.commands import MonthId

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a number and one of s, m, h, d: 90s, 15m, 6h, 3d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Month = Annotated[MonthId, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
FeedName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Workspace(_Section):
    subscription: str
    resource_group: str
    name: str


class FeedStorage(_Section):
    subscription: str
    resource_group: str
    account: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{3,24}$")]
    container: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")]


class Completion(_Section):
    """One way to be complete: every condition that is given must hold."""

    marker: str | None = None
    listed_in: str | None = None
    quiet_for: Duration | None = None
    min_files: int | None = Field(default=None, ge=1)


class AfterDeadline(StrEnum):
    ALERT = "alert"
    SCORE = "score"


class Deadline(_Section):
    day: int = Field(ge=1, le=28)
    at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
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
    pipeline: str
    model: str = Field(
        description="`name` takes the newest version when a generation is claimed; `name:3` pins it."
    )
    compute: str
    fallback: str | None = None
    attempts: int = Field(default=3, ge=1, le=10)
    max_error_rate: float = Field(default=0.01, ge=0, le=1)


class Feed(_Section):
    storage: FeedStorage
    path: str
    only: str = "*"
    starts: Month
    complete_when: list[Completion] = Field(min_length=1)
    deadline: Deadline | None = None
    late_files: LateFiles = LateFiles()
    score: Score


class Channel(_Section):
    url: str = Field(description="An Apprise URL.", repr=False)
    events: list[str] = Field(default=["*"], min_length=1)


class Workspaces(_Section):
    development: Workspace
    production: Workspace


class Config(_Section):
    timezone: ZoneInfo = ZoneInfo("UTC")
    workspaces: Workspaces
    feeds: dict[FeedName, Feed] = Field(min_length=1)
    notify: list[Channel] = []
