"""The parts of a model version's record that describe its evaluation, its verdict and its approval."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

BySource = Literal["entra", "caller"]  # a name from Entra ID's sign-in, or one that the caller gave


class Evaluation(BaseModel):
    """The job that scores a candidate and the champion on the same holdout."""

    number: int = Field(
        default=1,
        ge=1,
        description="The number of the evaluation: 1, and 1 more each time the version is judged again.",
    )
    attempt: int = Field(default=1, ge=1)
    compute: str | None = Field(
        default=None, description="The cluster of the job; None means the policy's cluster."
    )
    job: str
    data: str
    champion: str | None = Field(
        description="The champion's version in development; None if there is no champion."
    )
    manifest: str | None = Field(
        default=None,
        description="Path of the manifest of the partitions with the holdout of a model set; None if the "
        "holdout is a Data asset.",
    )
    files: str | None = Field(
        default=None, description="Fingerprint of the version's files; None without a `promote` section."
    )
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    submitted_at: datetime


class RuleResult(BaseModel):
    """The result of one rule of the gate."""

    rule: str
    metric: str
    slice: str | None = None
    value: float | None
    threshold: float | None
    passed: bool
    why: str


class Verdict(BaseModel):
    """The gate's decision, with the result of each rule."""

    id: str = Field(
        description="Derived from version, champion, holdout and evaluation. An approval must give this id."
    )
    passed: bool
    mode: Literal["enforce", "observe"]
    rules: list[RuleResult]
    data: str
    champion: str | None
    job: str
    files: str | None = Field(
        default=None, description="Fingerprint of the judged files. Only these files can be promoted."
    )
    decoder: str | None = Field(
        default=None, description="The version of the image decoder that the evaluation used."
    )
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    at: datetime


class ExternalVerdict(BaseModel):
    """The verdict of a CI pipeline."""

    passed: bool
    detail: str
    url: str | None = None
    by: str
    by_source: BySource = "caller"
    at: datetime


class ExternalCheck(BaseModel):
    """The gate's question to a CI pipeline about one evaluation, and the answer."""

    evaluation: int = Field(description="The number of the evaluation.")
    asked_at: datetime
    until: datetime = Field(description="Without an answer until then, the rule fails.")
    result: ExternalVerdict | None = None


class DecoderCheck(BaseModel):
    """The evaluation of a champion with the image decoder of the pipeline that scores with it."""

    decoder: str = Field(description="The version of the scoring pipeline's image decoder.")
    since: datetime = Field(description="Since when partitions wait for it.")
    evaluation: int | None = Field(
        default=None, description="The number of the evaluation; None if it has not begun."
    )
    verdict: Verdict | None = None
    problem: str | None = Field(
        default=None, description="Why the champion does not pass with this decoder, or was not judged."
    )
    not_awaited: bool = Field(
        default=False, description="Whether scoring went on without it, because it took too long."
    )
    ended_at: datetime | None = None


class Approval(BaseModel):
    """A person's approval or refusal of one verdict."""

    verdict: str
    approved: bool
    by: str
    by_source: BySource = "caller"
    reason: str
    at: datetime


class JudgingRequest(BaseModel):
    """A person's request to judge a version again. `number` is the number of the evaluation that follows."""

    number: int = Field(ge=1)
    by: str
    by_source: BySource = "caller"
    reason: str
    idempotency_key: str | None = None
    at: datetime
