"""The views of models and their versions that the API returns."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from tidegate.api.views import SHOWN_ACTIVITIES, ActivityView
from tidegate.config.model_policy import Policy
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import job_url, model_url, version_url
from tidegate.domain.lifecycle.records import (
    Champion,
    Model,
    ModelSource,
    ModelVersion,
    PastVerdict,
    Promotion,
)
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord
from tidegate.domain.lifecycle.verdict_records import (
    Approval,
    DecoderCheck,
    Evaluation,
    ExternalCheck,
    JudgingRequest,
    Verdict,
)

SHOWN_MODEL_VERSIONS = 100  # of a model; the others are in its list of versions


class ModelSummary(BaseModel):
    """A model with its champion and the version that is being rolled out (`rolling`)."""

    name: str
    mode: str | None
    approval: str | None
    champion: Champion | None
    previous: Champion | None
    rolling: str | None
    url: str

    @classmethod
    def of(cls, record: Model, policy: Policy | None) -> Self:
        return cls.model_validate(_summary(record, policy))


class VersionSummary(BaseModel):
    """A summary of a model version. `version` is the version's number in the development workspace."""

    model: str
    version: str
    state: str
    registered_at: datetime
    passed: bool | None
    verdict_id: str | None
    error: str | None
    due: datetime | None
    url: str

    @classmethod
    def of(cls, record: ModelVersion) -> Self:
        return cls.model_validate(_version(record))


class ModelVersionView(VersionSummary):
    """A model version with its evaluation, verdict (rule by rule), approval, promotion and rollout."""

    source: ModelSource
    evaluation: Evaluation | None
    job_url: str | None
    external: ExternalCheck | None
    verdict: Verdict | None
    approval: Approval | None
    requests: list[JudgingRequest]
    history: list[PastVerdict]
    promotion: Promotion | None
    rollout: RolloutRecord | None
    assembled_into: str | None
    assembled_from: str | None
    decoder_checks: list[DecoderCheck]

    @classmethod
    def of(cls, record: ModelVersion) -> Self:
        parts = (
            "source",
            "evaluation",
            "external",
            "approval",
            "requests",
            "history",
            "promotion",
            "rollout",
            "assembled_into",
            "assembled_from",
            "decoder_checks",
        )
        evaluation = record.evaluation
        return cls.model_validate(
            {
                **_version(record),
                **{name: getattr(record, name) for name in parts},
                "verdict": record.verdict,
                "job_url": job_url("development", evaluation.job) if evaluation else None,
            }
        )


class ModelView(ModelSummary):
    """A model with its newest versions and activities, its drift signals, and the retraining under way.

    The counts are those of all. The lists with pages are below the model's address: `versions` and
    `activities`.
    """

    versions: list[VersionSummary]
    versions_count: int
    signals: list[SignalRecord]
    retraining: Retraining | None
    job_url: str | None
    activities: list[ActivityView]
    activities_count: int


def model_view(
    record: Model,
    policy: Policy | None,
    versions: list[ModelVersion],
    versions_count: int,
    activities: list[Activity],
) -> ModelView:
    """Return the view of a model.

    `versions` has the newest first, and `activities` the oldest.
    """
    return ModelView(
        **_summary(record, policy),
        versions=[VersionSummary.of(version) for version in versions],
        versions_count=versions_count,
        signals=record.signals,
        retraining=record.retraining,
        job_url=job_url("development", record.retraining.job) if record.retraining else None,
        activities=[ActivityView.of(activity) for activity in activities[-SHOWN_ACTIVITIES:]],
        activities_count=len(activities),
    )


def _summary(record: Model, policy: Policy | None) -> dict[str, Any]:
    promote = policy.promote if policy else None
    return {
        "name": record.model,
        "mode": policy.gate.mode.value if policy else None,
        "approval": promote.approval if promote else None,
        "champion": record.champion,
        "previous": record.previous,
        "rolling": record.rolling,
        "url": model_url(record.model),
    }


def _version(record: ModelVersion) -> dict[str, Any]:
    verdict = record.verdict
    return {
        "model": record.model,
        "version": record.version,
        "state": record.state.value,
        "registered_at": record.registered_at,
        "passed": verdict.passed if verdict else None,
        "verdict_id": verdict.id if verdict else None,
        "error": record.error,
        "due": record.due,
        "url": version_url(record.model, record.version),
    }
