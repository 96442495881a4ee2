"""The part of a model version's record that describes its rollout."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from tidegate.config.model_policy import EndpointKind
from tidegate.domain.ledger_record import PartialRecord


class HealthFigures(PartialRecord):
    """The measured errors and latency of a deployment during a step."""

    source: Literal["metrics", "probes"] = "metrics"
    requests: int = 0
    errors: int | None = Field(default=None, description="None if there were too few requests to judge.")
    error_rate: float | None = None
    p95_ms: float | None = None
    because: str | None = Field(default=None, description="Why probes were used instead of metrics.")
    too_few: bool = False


class RolloutStep(BaseModel):
    """A share of the traffic that the new deployment received, and its health at that share."""

    percent: int
    mirror: int = Field(default=0, description="Percent of the live traffic that is mirrored.")
    began_at: datetime
    health: HealthFigures | None = None

    @classmethod
    def none(cls, at: datetime) -> "RolloutStep":
        """Return the state before the first step: no traffic at all."""
        return cls(percent=0, began_at=at)


class RolloutRecord(BaseModel):
    """A blue-green rollout: `deployment` is the new deployment, `before` had the traffic until now."""

    endpoint: str
    kind: EndpointKind = "online"
    deployment: str
    before: str | None
    phase: Literal["deploying", "smoke", "traffic", "baking", "cleaning", "failing", "done", "rolled_back"]
    restoring: bool = Field(
        default=False,
        description="Whether this belongs to a rollback, which moves all traffic at once, without a verdict.",
    )
    steps: list[RolloutStep] = Field(default=[])
    smoke: str | None = Field(default=None, description="The result of the last smoke test.")
    smoke_tries: int = 0
    smoke_job: str | None = Field(
        default=None, description="At a batch endpoint: the job of the smoke test that is under way."
    )
    failed_tries: int = Field(
        default=0, description="For a rollback: how often its deployment could not be started."
    )
    began_at: datetime
    ended_at: datetime | None = None
    due: datetime | None = Field(default=None, description="When the bake time ends.")
    why: str | None = None
    busy_since: datetime | None = Field(
        default=None, description="Since when another operation on the endpoint is under way."
    )
    stuck_announced: bool = False

    @property
    def final(self) -> bool:
        return self.phase in ("done", "rolled_back")
