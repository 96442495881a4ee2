"""The rules of tidegate.yml for the files of a feed: when they are complete, late, or there before."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from tidegate.config.types import (
    ClockTime,
    Duration,
    FileInPartition,
    Section,
)


class Completion(Section):
    """A rule for when a partition is complete: all conditions of the rule must hold."""

    marker: FileInPartition | None = None
    listed_in: FileInPartition | None = None
    quiet_for: Duration | None = None
    min_files: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _has_a_condition(self) -> "Completion":
        if not self.model_dump(exclude_none=True):
            raise ValueError("give at least one of marker, listed_in, quiet_for, min_files")
        return self


class AfterDeadline(StrEnum):
    ALERT = "alert"
    SCORE = "score"


class Deadline(Section):
    """The time until which a partition should be complete, and what happens if it is not."""

    day: int | None = Field(
        default=None, ge=1, le=28, description="Day of the month, of a monthly feed only."
    )
    at: ClockTime = "00:00"
    of: Literal["next_month", "same_month", "next_day", "same_day"] | None = Field(
        default=None, description="Default: the month or day after the partition."
    )
    then: AfterDeadline = AfterDeadline.ALERT


class LatePolicy(StrEnum):
    NEW_VERSION = "new_version"
    ALERT = "alert"
    IGNORE = "ignore"


class LateFiles(Section):
    """What happens if files change after a partition was complete."""

    then: LatePolicy = LatePolicy.NEW_VERSION
    quiet_for: Duration = timedelta(minutes=15)
    max_versions: int = Field(default=5, ge=1)


class CatchUpFrom(StrEnum):
    NEWEST = "newest"
    ALL = "all"


class CatchUp(Section):
    """What happens to partitions that were there before the feed was installed, and how fast."""

    start: CatchUpFrom = Field(default=CatchUpFrom.NEWEST, alias="from")
    max_live: int = Field(default=2, ge=1, le=100)
