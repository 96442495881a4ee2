"""Judging a version again: what happens to its earlier verdict, and when a person may request it."""

from datetime import datetime

from tidegate.config.model_policy import Policy
from tidegate.domain.lifecycle.evaluation import shortened
from tidegate.domain.lifecycle.names import judge_job, model_reference
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion, PastVerdict
from tidegate.domain.lifecycle.verdict_records import Evaluation, JudgingRequest

_MOST_VERDICTS, _MOST_LINES, _MOST_REQUESTS = 10, 50, 20  # a row of the ledger holds 1 MB


def without_verdict(record: ModelVersion, why: str, at: datetime) -> ModelVersion:
    """Return the version as newly registered, with its verdict and approval moved to its history.

    The evaluation stays, because the number of the next evaluation is derived from it.
    """
    history = record.history
    if record.verdict:
        past = PastVerdict(
            verdict=shortened(record.verdict, _MOST_LINES),
            approval=record.approval,
            state=record.state,
            error=record.error,
            void_since=at,
            why=why,
        )
        history = [*history, past][-_MOST_VERDICTS:]
    cleared = ("due", "error", "external", "verdict", "approval", "promotion", "rollout")
    return record.model_copy(
        update={"state": ModelState.REGISTERED, "history": history, **dict.fromkeys(cleared)}
    )


def with_request(record: ModelVersion, request: JudgingRequest) -> ModelVersion:
    """Return the version with a person's request to judge it again, and without its verdict."""
    why = f"{request.by} had it judged again: {request.reason}"
    requests = [*record.requests, request][-_MOST_REQUESTS:]
    return without_verdict(record, why, request.at).model_copy(update={"requests": requests})


def next_number(record: ModelVersion) -> int:
    """Return the number of the version's next evaluation: 1 for the first."""
    return record.evaluation.number + 1 if record.evaluation else 1


def next_evaluation(
    policy: Policy, record: ModelVersion, now: datetime, champion: str | None = None, files: str | None = None
) -> Evaluation:
    """Return the version's next evaluation."""
    number = next_number(record)
    return Evaluation(
        number=number,
        job=judge_job(record.model, record.version, number, 1),
        compute=policy.evaluate.compute,
        data=policy.evaluate.data,
        champion=champion,
        files=files,
        submitted_at=now,
    )


def request_for(record: ModelVersion, number: int) -> JudgingRequest | None:
    """Return the request that caused an evaluation, or None if no person requested it."""
    return next((request for request in record.requests if request.number == number), None)


def rejudging_obstacle(record: ModelVersion, model: Model) -> str | None:
    """Return why a version cannot be judged again now, or None if it can."""
    name = model_reference(record.model, record.version)
    match record.state:
        case ModelState.REGISTERED | ModelState.EVALUATING:
            return f"{name} is being judged: wait for its verdict"
        case ModelState.PROMOTING | ModelState.CHALLENGER:
            return f"{name} is being promoted to production: wait until this has succeeded or failed"
    if champion_source(model) == record.version:
        return f"{name} is champion: the next version is compared with it"
    if model.previous and model.previous.source == record.version:
        return f"{name} is the version that a rollback restores: use tidegate rollback {record.model}"
    return None
