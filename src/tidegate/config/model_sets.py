"""The section `models.NAME.set` of tidegate.yml: many models, one for each key, in one model version."""

from collections import Counter
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tidegate.config.types import (
    AssetName,
    ClockTime,
    DataVersion,
    Duration,
    FeedName,
    Filled,
    JobClusters,
    LocatedError,
    Section,
)

MOST_FILES = 1500  # of one model version: azure/machine-learning/resource-limits-capacity
REGISTRATION_PIPELINE = "set_registration"
_OTHER_FILES = 100  # MLmodel, index, code, and the shards of later trainings of some keys


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('write the value in quotes, such as "012": keys are texts')  # noqa: TRY004 - for pydantic
    return value


Metric = Literal["mae", "rmse", "mape", "wape"]
Column = Annotated[str, Field(min_length=1, max_length=200)]
KeyValue = Annotated[str, BeforeValidator(_text)]


class TrainOn(StrEnum):
    """What starts a training of a set."""

    PARTITION = "partition"
    DRIFT = "drift"
    SCHEDULE = "schedule"


class SetTraining(Section):
    """When a set is trained, and how much of it."""

    on: TrainOn = TrainOn.PARTITION
    keys: Literal["needed", "all"] = Field(
        default="needed",
        description="Which keys a new partition trains once there is a champion. A schedule trains all.",
    )
    every: Literal["day", "week", "month"] | None = Field(
        default=None, description="Train all keys again on this schedule; required with `on: schedule`."
    )
    day: int = Field(
        default=1, ge=1, le=28, description="Day of the month, or 1 to 7 for Monday to Sunday of the week."
    )
    at: ClockTime = "00:00"

    @model_validator(mode="after")
    def _schedule_fits(self) -> "SetTraining":
        if self.on is TrainOn.SCHEDULE and not self.every:
            raise ValueError("on: schedule needs the key every: day, week or month")
        if self.every == "week" and self.day > 7:
            raise ValueError(f"day: {self.day} is no day of the week: write 1 (Monday) to 7 (Sunday)")
        return self


class KeyRule(Section):
    """The comparison of a key's new member with the champion's, and what happens if it is worse."""

    metric: Metric = "mae"
    tolerance: float = Field(
        default=0.0, ge=0, description="How much worse it may be, as a share of the champion's value."
    )
    min_n: int = Field(
        default=7, ge=1, description="With fewer rows in the holdout, the key is not compared."
    )
    then: Literal["keep_champion", "take", "drop"] = "keep_champion"


class WorseRule(Section):
    """When a key counts as worse than it was: its predictions are compared with the actual values."""

    metric: Metric = "mae"
    by: float = Field(
        default=0.5, ge=0, description="How much worse, as a share of the member's error in its holdout."
    )
    min_n: int = Field(default=7, ge=1)
    breaches: int = Field(default=2, ge=1)
    of_last: int = Field(default=3, ge=1)
    pipeline: AssetName = "set_renewal"

    @model_validator(mode="after")
    def _breaches_can_be_reached(self) -> "WorseRule":
        if self.breaches > self.of_last:
            raise ValueError(
                f"breaches: {self.breaches} is more than of_last: {self.of_last}: no key could be worse"
            )
        return self


class SetGate(Section):
    """The rules of the gate for a set as a whole. Shares are parts of the expected keys."""

    max_share_failed: float | None = Field(default=None, ge=0, le=1)
    max_share_worse: float | None = Field(default=None, ge=0, le=1)
    min_coverage: float | None = Field(
        default=None, ge=0, le=1, description="The share of the expected keys that have a forecast."
    )


class ModelSet(JobClusters):
    """A set of models, one for each key: the values of the key columns."""

    keys: list[Column] = Field(min_length=1, max_length=8)
    feed: FeedName
    target: Column
    time: Column
    frequency: Literal["hour", "day", "week", "month"] = "day"
    horizon: int = Field(ge=1, le=1000, description="How many periods of `frequency` are forecast.")
    history: int = Field(default=24, ge=1, le=400, description="How many of the newest partitions are used.")
    min_rows: int = Field(default=30, ge=2)
    group_by: list[Column] = Field(
        default=[],
        description="Some of the key columns: a key with too few rows gets a member of its group.",
    )
    expected: list[dict[str, KeyValue]] = Field(
        default=[], description="The keys that the set must have, besides those in the data."
    )
    expected_in: DataVersion | None = Field(
        default=None, description="`name:version` of a Data asset that lists the expected keys."
    )
    trainer: Filled = "lightgbm"
    parameters: dict[Column, float] = Field(
        default={}, description="Parameters of the trainer, such as `{num_leaves: 15}`."
    )
    covariates: list[Column] = Field(default=[])
    prepare: Filled | None = Field(
        default=None,
        description="A file of the pipeline's folder with `prepare(table)`, which changes the raw rows.",
    )
    member_time_limit: Duration = timedelta(minutes=1)
    registered: Literal["set", "each"] = Field(default="set", alias="register")
    training: SetTraining = SetTraining()
    rule: KeyRule = KeyRule()
    worse: WorseRule = WorseRule()
    pipeline: AssetName = "set_training"
    buckets: int = Field(default=64, ge=1, le=MOST_FILES - _OTHER_FILES)
    compute: AssetName = "cpu"

    @property
    def pipelines(self) -> list[str]:
        """The pipelines that train the set, compare its forecasts, and register its members."""
        registration = [REGISTRATION_PIPELINE] if self.registered == "each" else []
        return [self.pipeline, self.worse.pipeline, *registration]

    @model_validator(mode="after")
    def _columns_differ(self) -> "ModelSet":
        columns = [*self.keys, self.target, self.time, *self.covariates]
        counts = Counter(name.casefold() for name in columns)
        if doubled := [name for name in dict.fromkeys(columns) if counts[name.casefold()] > 1]:
            raise ValueError(
                f"{', '.join(doubled)} is named twice: keys, target, time and covariates are other columns, "
                "and upper and lower case make no difference"
            )
        return self

    @model_validator(mode="after")
    def _groups_have_several_keys(self) -> "ModelSet":
        others = [name for name in self.group_by if name not in self.keys]
        if others or set(self.group_by) == set(self.keys):
            what = f"{others[0]} is no key column" if others else "a group needs more than one key"
            raise LocatedError(f"{what}: name some of {', '.join(self.keys)}, but not all", "group_by")
        return self

    @model_validator(mode="after")
    def _expected_keys_fit(self) -> "ModelSet":
        if self.expected and self.expected_in:
            raise LocatedError("leave it out, or leave out expected", "expected_in")
        for at, row in enumerate(self.expected):
            if set(row) != set(self.keys):
                columns, has = ", ".join(self.keys), ", ".join(row) or "none"
                raise LocatedError(f"write the key columns {columns}, not {has}", "expected", at)
            if row in self.expected[:at]:
                raise LocatedError("this key is named twice", "expected", at)
        return self
