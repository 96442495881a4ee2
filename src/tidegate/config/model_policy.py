"""The `models` part of tidegate.yml: what a model must show, where it goes, how fast, what drift means."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from tidegate.config.types import (
    AssetName,
    ClockTime,
    DataVersion,
    Duration,
    EndpointName,
    FeedName,
    Filled,
    Section,
)


class Evaluate(Section):
    """How a candidate is scored beside the champion, on one holdout version that is never `latest`."""

    pipeline: AssetName = "evaluation"
    data: DataVersion = Field(description="`name:version` of the holdout Data asset.")
    compute: AssetName


class Rule(Section):
    """What one metric must show; every bound that is given must hold."""

    model_config = ConfigDict(allow_inf_nan=False)

    min: float | None = None
    max: float | None = None
    champion_tolerance: float | None = Field(
        default=None, ge=0, description="How much worse than the champion it may be."
    )
    min_improvement: float | None = Field(
        default=None, description="How much better than the champion it must be."
    )
    non_inferiority: float | None = Field(
        default=None,
        ge=0,
        description="The margin: the paired difference's lower confidence bound must lie above its negative.",
    )
    higher_is_better: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if not self.model_dump(exclude={"higher_is_better"}, exclude_none=True):
            raise ValueError(
                "give at least one of min, max, champion_tolerance, min_improvement, non_inferiority"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"nothing is at least min: {self.min:g} and at most max: {self.max:g}")
        return self


class Slices(Section):
    """The same for each value of a column of the holdout; a slice with fewer rows than `min_n` fails."""

    by: Filled
    min_n: int = Field(ge=1)
    metrics: dict[str, Rule] = Field(min_length=1)


class GateMode(StrEnum):
    ENFORCE = "enforce"
    OBSERVE = "observe"


class Gate(Section):
    mode: GateMode = GateMode.ENFORCE
    min_n: int = Field(default=30, ge=1, description="Fewer rows of the holdout than this fail the gate.")
    metrics: dict[str, Rule] = Field(min_length=1)
    slices: Slices | None = None
    training: dict[str, Rule] = Field(default={}, description="Rules on the metrics of the training run.")
    no_champion: Literal["absolute", "refuse"] = Field(
        default="absolute",
        description="Without a champion: only min and max count (absolute), or it is refused.",
    )

    @model_validator(mode="after")
    def _training_stands_alone(self) -> "Gate":
        beside = {"champion_tolerance", "min_improvement", "non_inferiority"}
        if wrong := [name for name, rule in self.training.items() if rule.model_fields_set & beside]:
            raise ValueError(f"training: {', '.join(wrong)} can have min and max, which need no champion")
        return self


class Promote(Section):
    to: Literal["production"] = "production"
    via: Literal["workspace", "registry"] = "workspace"
    registry: AssetName | None = None
    approval: Literal["required", "none"] = "required"
    within: Duration = timedelta(days=3)

    @model_validator(mode="after")
    def _names_registry(self) -> "Promote":
        if self.via == "registry" and not self.registry:
            raise ValueError("via: registry needs registry: the registry's name")
        if self.via == "workspace" and self.registry:
            raise ValueError("registry is for via: registry; via: workspace needs none")
        return self


class Rollout(Section):
    endpoint: EndpointName
    steps: list[Annotated[int, Field(ge=1, le=100)]] = Field(default=[10, 50, 100], min_length=1)
    bake: Duration = timedelta(minutes=30)
    smoke: Filled = Field(description="File with a real request body, relative to tidegate.yml.")
    mirror: int = Field(
        default=0, ge=0, le=50, description="Percent of live traffic mirrored before the first step."
    )
    instance_type: Filled = "Standard_DS3_v2"
    instance_count: int = Field(default=1, ge=1)
    min_requests: int = Field(
        default=20, ge=1, description="Fewer requests in a step say nothing: probes decide."
    )
    max_error_rate: float = Field(default=0.01, ge=0, le=1)
    max_p95_ms: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _steps_rise(self) -> "Rollout":
        if self.steps != sorted(set(self.steps)) or self.steps[-1] != 100:
            raise ValueError("steps must rise and end with 100: [10, 50, 100]")
        return self


class Drift(Section):
    feed: FeedName
    breaches: int = Field(default=2, ge=1)
    of_last: int = Field(default=3, ge=1)
    cooldown: Duration = timedelta(days=7)
    per_month: int = Field(default=1, ge=1)
    monitors: list[Filled] = Field(
        default=["*"],
        min_length=1,
        description="Names of signals and monitors that speak of this model; an event that fits several "
        "models is recorded only.",
    )
    retrain: AssetName = Field(default="retraining", description="The pipeline that trains anew.")
    training: DataVersion | None = Field(
        default=None, description="`name:version` of a labelled set that every training includes."
    )
    months: int = Field(default=6, ge=1, le=12, description="How many scored months it trains on.")
    compute: AssetName = "cpu"

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Drift":
        if self.breaches > self.of_last:
            raise ValueError(f"breaches: {self.breaches} never are among of_last: {self.of_last}")
        return self


class Renew(Section):
    """Train anew on a day of the month, drift or not."""

    day: int = Field(ge=1, le=28)
    at: ClockTime = "00:00"


class Policy(Section):
    """Everything about one model name. Without `evaluate` and `gate` there is no policy."""

    evaluate: Evaluate
    gate: Gate
    promote: Promote | None = None
    rollout: Rollout | None = None
    drift: Drift | None = None
    renew: Renew | None = None

    @property
    def promotes(self) -> bool:
        """Whether it ever makes a version champion."""
        return self.promote is not None and self.gate.mode is GateMode.ENFORCE

    @model_validator(mode="after")
    def _hangs_together(self) -> "Policy":
        if self.rollout and not self.promote:
            raise ValueError("rollout needs promote: only promoted models are rolled out")
        if self.renew and not self.drift:
            raise ValueError("renew needs drift: it says with which pipeline and on which months")
        return self
