"""The `models` section of tidegate.yml: evaluation, gate, promotion, rollout, drift and renewal."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from tidegate.config.costs import Budget
from tidegate.config.gate import Gate, GateMode
from tidegate.config.model_sets import ModelSet, TrainOn
from tidegate.config.types import (
    AssetName,
    ClockTime,
    DataVersion,
    Duration,
    EndpointName,
    FeedName,
    Filled,
    Holdout,
    JobClusters,
    LocatedError,
    PipelineInputs,
    Section,
    further_inputs,
)

NEWEST = "newest"
# The inputs of an evaluation that the service itself sets.
EVALUATION_INPUTS = {
    *("candidate", "champion", "holdout", "candidate_name", "champion_name", "data", "data_name", "manifest"),
    *("model", "version", "evaluation", "slice_by", "evaluation_compute"),
    *("rule_metric", "rule_tolerance", "rule_min_n", "rule_then"),
}
EndpointKind = Literal["online", "batch"]


class Evaluate(JobClusters):
    """How a candidate is compared with the champion, on one holdout version that is never `latest`."""

    pipeline: AssetName = "evaluation"
    data: Holdout = Field(
        description="`name:version` of the holdout Data asset; of a set also `newest`: the newest `horizon` "
        "of each key."
    )
    inputs: PipelineInputs = Field(default={}, description="Values for further inputs of the pipeline.")

    @field_validator("inputs")
    @classmethod
    def _inputs_are_not_those_of_the_service(cls, inputs: dict[str, Any]) -> dict[str, Any]:
        return further_inputs(inputs, EVALUATION_INPUTS)


class Promote(Section):
    """How a version that passed the gate gets to production, and whether a person must approve it."""

    to: Literal["production"] = "production"
    via: Literal["workspace", "registry"] = "workspace"
    registry: AssetName | None = None
    approval: Literal["required", "none"] = "required"
    within: Duration = timedelta(days=3)
    announce_after: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _names_registry(self) -> "Promote":
        if self.via == "registry" and not self.registry:
            raise ValueError("via: registry needs the key registry with the name of the registry")
        if self.via == "workspace" and self.registry:
            raise ValueError("the key registry is only for via: registry: leave it out")
        return self


class EndpointChange(Section):
    """An endpoint that gets a deployment of each promoted version, and how long Azure may need for it."""

    endpoint: EndpointName
    announce_after: Duration = timedelta(hours=1)
    fail_after: Duration = timedelta(hours=3)

    @model_validator(mode="after")
    def _fails_after_the_announcement(self) -> "EndpointChange":
        if self.fail_after < self.announce_after:
            raise ValueError("fail_after must not be shorter than announce_after")
        return self


class Rollout(EndpointChange):
    """How a promoted version takes over the traffic of an online endpoint."""

    kind: ClassVar[EndpointKind] = "online"
    steps: list[Annotated[int, Field(ge=1, le=100)]] = Field(default=[10, 50, 100], min_length=1)
    bake: Duration = timedelta(minutes=30)
    smoke: Filled = Field(description="A file with a real request body, relative to tidegate.yml.")
    mirror: int = Field(
        default=0, ge=0, le=50, description="Percent of live traffic mirrored before the first step."
    )
    instance_type: Filled = "Standard_DS3_v2"
    instance_count: int = Field(default=1, ge=1)
    min_requests: int = Field(
        default=20,
        ge=1,
        description="With fewer requests in a step, probes (requests of the service) decide, not metrics.",
    )
    max_error_rate: float = Field(default=0.01, ge=0, le=1)
    max_p95_ms: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _steps_rise(self) -> "Rollout":
        if self.steps != sorted(set(self.steps)) or self.steps[-1] != 100:
            raise ValueError("write steps that rise and end with 100, such as [10, 50, 100]")
        return self


class BatchRollout(EndpointChange):
    """How a promoted version becomes the default deployment of a batch endpoint: all at once."""

    kind: ClassVar[EndpointKind] = "batch"
    steps: ClassVar[Sequence[int]] = (100,)
    bake: ClassVar[timedelta] = timedelta()
    mirror: ClassVar[int] = 0
    smoke: DataVersion = Field(
        description="`name:version` of a folder in production that the new deployment must score first."
    )
    compute: AssetName = Field(
        default="cpu",
        description="The cluster of the first deployment. Later ones have the settings of the default.",
    )


AnyRollout = Rollout | BatchRollout


class Drift(JobClusters):
    """Which drift signals start a training of the model, and how it is trained."""

    feed: FeedName
    breaches: int = Field(default=2, ge=1)
    of_last: int = Field(default=3, ge=1)
    cooldown: Duration = timedelta(days=7)
    per_month: int = Field(default=1, ge=1)
    monitors: list[Filled] = Field(
        default=["*"],
        min_length=1,
        description="Names of the signals and monitors of this model. A signal that fits several models is "
        "only recorded.",
    )
    retrain: AssetName = Field(default="retraining", description="The pipeline that trains a new version.")
    training: DataVersion | None = Field(
        default=None, description="`name:version` of a labelled set that every training includes."
    )
    partitions: int = Field(
        default=6, ge=1, le=12, description="The number of scored partitions in a training."
    )
    compute: AssetName = "cpu"

    @model_validator(mode="after")
    def _breaches_can_be_reached(self) -> "Drift":
        if self.breaches > self.of_last:
            raise ValueError(
                f"breaches: {self.breaches} is more than of_last: {self.of_last}: no training could start"
            )
        return self


class Renew(Section):
    """A training on a fixed day of each month, with or without drift."""

    day: int = Field(ge=1, le=28)
    at: ClockTime = "00:00"


class Policy(Section):
    """All settings for the models of one name. A policy needs at least `evaluate` and `gate`."""

    evaluate: Evaluate
    gate: Gate
    promote: Promote | None = None
    rollout: Rollout | None = None
    batch_rollout: BatchRollout | None = None
    drift: Drift | None = None
    renew: Renew | None = None
    set: ModelSet | None = None
    budget: Budget | None = None

    @property
    def endpoint_rollout(self) -> AnyRollout | None:
        """How a promoted version takes over an endpoint of either kind, or None."""
        return self.rollout or self.batch_rollout

    @property
    def training(self) -> JobClusters | None:
        """The section that says on which clusters a new version is trained, or None."""
        return self.set or self.drift

    @property
    def pipelines(self) -> list[str]:
        """The pipelines of the model's jobs."""
        if self.set:
            return [self.evaluate.pipeline, *self.set.pipelines]
        return [self.evaluate.pipeline, *([self.drift.retrain] if self.drift else [])]

    @model_validator(mode="before")
    @classmethod
    def _sets_have_their_own_evaluation(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("set") and isinstance(values.get("evaluate"), dict):
            return {**values, "evaluate": {"pipeline": "set_evaluation", **values["evaluate"]}}
        return values

    @property
    def promotes(self) -> bool:
        """Return whether the policy can make a version champion."""
        return self.promote is not None and self.gate.mode is GateMode.ENFORCE

    @model_validator(mode="after")
    def _sections_fit(self) -> "Policy":
        if self.endpoint_rollout and not self.promote:
            raise ValueError("a rollout needs the key promote, because only promoted versions are rolled out")
        if self.rollout and self.batch_rollout:
            raise ValueError("a model has either rollout or batch_rollout: leave one out")
        if self.renew and not self.drift:
            raise ValueError("renew needs the key drift, which says how and on which data to train")
        return self

    @model_validator(mode="after")
    def _set_fits(self) -> "Policy":
        if self.set is None:
            if self.evaluate.data == NEWEST:
                raise LocatedError("this is for models with the key set: name a version", "evaluate", "data")
            if self.gate.set.model_fields_set:
                raise LocatedError("this is for models with the key set: leave it out", "gate", "set")
            return self
        if self.renew:
            raise LocatedError("leave it out of a model set, and write set.training.every", "renew")
        if self.set.training.on is TrainOn.DRIFT and not self.drift:
            missing = "this needs the key drift, which says what drift means"
            raise LocatedError(missing, "set", "training", "on")
        if self.gate.slices and self.gate.slices.by not in self.set.keys:
            columns = ", ".join(self.set.keys)
            raise LocatedError(f"name a key column of the set: {columns}", "gate", "slices", "by")
        return self
