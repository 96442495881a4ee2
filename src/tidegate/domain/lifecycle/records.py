"""The ledger's records of models: one row for each version, and one for each name with its champion."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from tidegate.config.types import WorkspaceRole
from tidegate.domain.ledger_record import LedgerRecord, PartialRecord
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


class ModelState(StrEnum):
    """The state of a model version."""

    REGISTERED = "registered"
    EVALUATING = "evaluating"
    PASSED = "passed"  # waits for approval, or for another promotion to end
    REFUSED = "refused"  # refused by the gate or by a person
    OBSERVED = "observed"  # judged with mode: observe, which neither blocks nor promotes
    ASSEMBLED = "assembled"  # passed; the set of its evaluation's winners is promoted as another version
    CANCELLED = "cancelled"  # a person cancelled the evaluation, so there is no verdict
    EXPIRED = "expired"  # no person approved it in time
    PROMOTING = "promoting"
    CHALLENGER = "challenger"  # registered in production; its rollout is under way
    CHAMPION = "champion"
    RETIRED = "retired"  # the version was champion before
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


class PastVerdict(BaseModel):
    """A verdict that is void, with the approval that belonged to it."""

    verdict: Verdict = Field(
        description="If there are very many rules, only the failed ones are kept. verdict.json has all."
    )
    approval: Approval | None
    state: ModelState = Field(description="The version's state at that time.")
    error: str | None
    void_since: datetime
    why: str


class ModelSource(PartialRecord):
    """The origin of a version in development."""

    run: str = Field(default="", description="The training run, or empty.")
    uri: str = Field(default="", description="The path of its files.")
    tags: dict[str, str] = Field(default={})
    properties: dict[str, str] = Field(default={})
    data: dict[str, str] | str = Field(default={}, description="The inputs of the training run, by name.")


class Lineage(PartialRecord):
    """Everything that led to a version in production.

    The field names are the names of its tags, without the prefix.
    """

    source_workspace: str = ""
    source_model: str = ""
    source_version: str = ""
    source_uri: str = ""
    run: str = ""
    training_data: str = ""
    evaluation_data: str = ""
    verdict: str = ""
    verdict_id: str = ""
    verdict_job: str = ""
    verdict_champion: str = ""
    approved_by: str = ""
    approved_by_source: str = ""
    approved_at: str = ""
    approval_reason: str = ""
    tags: dict[str, str] = Field(default={})
    properties: dict[str, str] = Field(default={})


class Promotion(BaseModel):
    """The copy of a version to production: started, checked repeatedly, verified, and registered last."""

    via: Literal["workspace", "registry"]
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    begun_at: datetime
    files: int = 0
    bytes: int = 0
    copied_bytes: int = 0
    without_md5: int = Field(default=0, description="How many files could be compared by size only.")
    lineage: Lineage = Field(
        default=Lineage(), description="The complete lineage; the tags in production are shortened."
    )
    operation: str | None = Field(
        default=None, description="The URL of Azure's operation that shares the version with a registry."
    )
    production_version: str | None = None
    ended_at: datetime | None = None


class ModelVersion(LedgerRecord):
    """A model version of the development workspace, and everything that was decided about it."""

    model: str
    version: str
    state: ModelState = ModelState.REGISTERED
    registered_at: datetime
    source: ModelSource = Field(default=ModelSource(), description="The origin of the version.")
    evaluation: Evaluation | None = None
    external: ExternalCheck | None = Field(
        default=None, description="The question to a CI pipeline, if the gate has the rule `external`."
    )
    verdict: Verdict | None = None
    approval: Approval | None = None
    requests: list[JudgingRequest] = Field(default=[], description="The newest 20, oldest first.")
    history: list[PastVerdict] = Field(default=[], description="The newest 10, oldest first.")
    promotion: Promotion | None = None
    shared_files: str | None = Field(
        default=None, description="Fingerprint of the files that were shared with a registry."
    )
    rollout: RolloutRecord | None = None
    due: datetime | None = Field(
        default=None, description="When the time for approval or the bake time ends."
    )
    error: str | None = None
    assembled_into: str | None = Field(
        default=None, description="The version that holds the winners of this set's evaluation."
    )
    assembled_from: str | None = Field(
        default=None, description="The version whose evaluation assembled this set from its winners."
    )
    decoder_checks: list[DecoderCheck] = Field(
        default=[], description="The newest 5 evaluations of the champion with another image decoder."
    )

    @property
    def open_check(self) -> DecoderCheck | None:
        """The check of an image decoder that has not ended, if the version is champion."""
        champion = self.state is ModelState.CHAMPION
        return next((check for check in self.decoder_checks if champion and not check.ended_at), None)

    @property
    def being_judged(self) -> bool:
        """Whether an evaluation has begun and has not ended."""
        return self.state is ModelState.EVALUATING or bool(self.open_check and self.open_check.evaluation)


class Champion(BaseModel):
    """A version in production. `source` is its version in development."""

    version: str
    source: str
    since: datetime
    by: str = Field(description="The verdict, or the person who rolled back.")


class MemberRegistration(BaseModel):
    """The job that registers the members of a set as models of their own."""

    version: str = Field(description="The version of the set in development.")
    attempt: int = 1
    compute: str
    since: datetime
    error: str | None = Field(
        default=None, description="Why the last attempt ended. Only a replay starts the next one."
    )


class LostVersion(BaseModel):
    """A version in use that was archived or deleted outside of the service."""

    workspace: WorkspaceRole
    version: str
    what: Literal["archived", "deleted"]
    since: datetime = Field(description="When the service noticed it.")
    uses: list[str] = Field(default=[], description="What depended on it at that time.")


class Model(LedgerRecord):
    """A model name: its champion, its previous champion, and the one version that is being promoted."""

    model: str
    champion: Champion | None = None
    previous: Champion | None = None
    rolling: str | None = Field(
        default=None, description="The version that is being promoted or rolled out now."
    )
    lost: list[LostVersion] = Field(
        default=[], description="Versions in use that are archived or deleted, until they are there again."
    )
    policy_since: datetime | None = Field(
        default=None,
        description="When the service first found a policy for the model. Older versions are not judged.",
    )
    signals: list[SignalRecord] = Field(default=[], description="The newest 100 signals, oldest first.")
    retraining: Retraining | None = Field(default=None, description="The retraining that is under way.")
    compared: str | None = Field(
        default=None,
        description="The folder of the newest comparison of forecasts with actual values.",
    )
    registering: MemberRegistration | None = Field(
        default=None, description="The registration of members that is under way."
    )
    members_of: str | None = Field(
        default=None, description="The version whose members are all registered as models of their own."
    )
    retrained_at: list[datetime] = Field(default=[])
