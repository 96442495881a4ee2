"""The ledger's records about models: one row a version, and one a name that holds who is champion."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from tidegate.domain.ledger_record import LedgerRecord


class ModelState(StrEnum):
    """Where a version stands."""

    REGISTERED = "registered"
    EVALUATING = "evaluating"
    PASSED = "passed"  # waits for approval, or for its turn to be promoted
    REFUSED = "refused"  # by the gate or by a person
    OBSERVED = "observed"  # the gate did not block and does not promote
    EXPIRED = "expired"  # nobody approved in time
    PROMOTING = "promoting"
    CHALLENGER = "challenger"  # in production, on its way through the rollout
    CHAMPION = "champion"
    RETIRED = "retired"  # was champion
    ROLLED_BACK = "rolled_back"  # a step of its rollout failed
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self not in _LIVE


_LIVE = {
    ModelState.REGISTERED,
    ModelState.EVALUATING,
    ModelState.PASSED,
    ModelState.PROMOTING,
    ModelState.CHALLENGER,
}


class Evaluation(BaseModel):
    """The job that scores candidate and champion on the same holdout."""

    number: int = Field(default=1, ge=1, description="Judged again where the champion changed meanwhile.")
    attempt: int = Field(default=1, ge=1)
    job: str
    data: str
    champion: str | None = Field(
        description="The champion's source version in development; None: there is none."
    )
    files: str | None = Field(
        default=None, description="Fingerprint of the version's files; None: they are nowhere to be listed."
    )
    submitted_at: datetime


class RuleResult(BaseModel):
    """One line of the evidence."""

    rule: str
    metric: str
    slice: str | None = None
    value: float | None
    threshold: float | None
    passed: bool
    why: str


class Verdict(BaseModel):
    """The gate's decision, with all that it rests on."""

    id: str = Field(
        description="Derived from version, evaluation and champion: an approval serves this one only."
    )
    passed: bool
    mode: Literal["enforce", "observe"]
    rules: list[RuleResult]
    data: str
    champion: str | None
    job: str
    files: str | None = Field(
        default=None, description="Fingerprint of the files that were judged: only these are promoted."
    )
    at: datetime


BySource = Literal["entra", "caller"]  # who Entra ID signed in, or who the caller says


class Approval(BaseModel):
    """A person's word on one verdict."""

    verdict: str
    approved: bool
    by: str
    by_source: BySource = "caller"
    reason: str
    at: datetime


class JudgingRequest(BaseModel):
    """A person's wish to have a version judged again: it brings the evaluation of that number."""

    number: int = Field(ge=1)
    by: str
    by_source: BySource = "caller"
    reason: str
    idempotency_key: str | None = None
    at: datetime


class PastVerdict(BaseModel):
    """A verdict that is void, and what was decided on it."""

    verdict: Verdict = Field(description="Of many lines those that failed; verdict.json has all.")
    approval: Approval | None
    state: ModelState = Field(description="Where the version stood.")
    error: str | None
    void_since: datetime
    why: str


class Promotion(BaseModel):
    """The copy into production: begun, looked at again, verified, registered last."""

    via: Literal["workspace", "registry"]
    begun_at: datetime
    files: int = 0
    bytes: int = 0
    copied_bytes: int = 0
    without_md5: int = Field(default=0, description="Files whose size only could be compared.")
    lineage: dict[str, Any] = Field(default={}, description="Whole; the tags in production are abridged.")
    production_version: str | None = None
    ended_at: datetime | None = None


class RolloutStep(BaseModel):
    percent: int
    mirror: int = Field(default=0, description="Percent of the live traffic that is mirrored.")
    began_at: datetime
    health: dict[str, Any] | None = Field(default=None, description="Figures and where they came from.")

    @classmethod
    def none(cls, at: datetime) -> "RolloutStep":
        """Before the first: no traffic at all."""
        return cls(percent=0, began_at=at)


class RolloutRecord(BaseModel):
    """Blue and green: `deployment` is the new one, `before` took the traffic until now."""

    endpoint: str
    deployment: str
    before: str | None
    phase: Literal["deploying", "smoke", "traffic", "baking", "cleaning", "failing", "done", "rolled_back"]
    restoring: bool = Field(default=False, description="A rollback: all traffic at once, and no verdict.")
    steps: list[RolloutStep] = []
    smoke: str | None = Field(default=None, description="What the smoke test said last.")
    smoke_tries: int = 0
    failed_tries: int = Field(default=0, description="Of a rollback: how often it could not be brought up.")
    began_at: datetime
    ended_at: datetime | None = None
    due: datetime | None = Field(default=None, description="The bake's end.")
    why: str | None = None

    @property
    def final(self) -> bool:
        return self.phase in ("done", "rolled_back")


class ModelVersion(LedgerRecord):
    """A model version of the development workspace, and everything that was decided about it."""

    model: str
    version: str
    state: ModelState = ModelState.REGISTERED
    registered_at: datetime
    source: dict[str, Any] = Field(default={}, description="Lineage: run, training data, tags.")
    evaluation: Evaluation | None = None
    verdict: Verdict | None = None
    approval: Approval | None = None
    requests: list[JudgingRequest] = Field(default=[], description="The newest 20.")
    history: list[PastVerdict] = Field(default=[], description="The newest 10, oldest first.")
    promotion: Promotion | None = None
    shared_files: str | None = Field(
        default=None, description="Fingerprint of the files that were shared with a registry under its name."
    )
    rollout: RolloutRecord | None = None
    due: datetime | None = Field(default=None, description="When to look again: approval's end, bake's end.")
    error: str | None = None


class Champion(BaseModel):
    """A version in production; `source` is its version in development."""

    version: str
    source: str
    since: datetime
    by: str = Field(description="Why: the verdict, or who rolled back.")


class SignalRecord(BaseModel):
    """A drift signal, taken or ignored, and why."""

    id: str
    source: Literal["measurement", "monitor", "dataset_monitor", "renew"]
    about: str = Field(default="", description="A later signal of the same source about it takes its place.")
    at: datetime
    breached: bool
    counts: bool = Field(default=True, description="False: nothing was measured, or it cannot be read.")
    taken: bool = False
    why: str
    evidence: dict[str, Any] = {}


class Retraining(BaseModel):
    """A training that was decided on; its data versions were named then."""

    signal: str
    job: str
    attempt: int = Field(default=1, ge=1)
    data: list[str] = Field(description="`name:version`, the labelled set first.")
    since: datetime


class Model(LedgerRecord):
    """A model name: champion, previous champion, and the one version that is on its way."""

    model: str
    champion: Champion | None = None
    previous: Champion | None = None
    rolling: str | None = Field(default=None, description="The version that is promoted or rolled out now.")
    policy_since: datetime | None = Field(
        default=None, description="When the timer first saw its policy: versions before that are left alone."
    )
    signals: list[SignalRecord] = Field(default=[], description="The newest 100.")
    retraining: Retraining | None = Field(default=None, description="The one that is under way.")
    retrained_at: list[datetime] = Field(default=[])
