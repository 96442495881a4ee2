"""A version that is judged again: what becomes of its verdict, and when a person may ask for it. Pure."""

from datetime import datetime

from tidegate.domain.lifecycle.evaluation import kept
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import JudgingRequest, Model, ModelState, ModelVersion, PastVerdict

_MOST_VERDICTS, _MOST_LINES, _MOST_REQUESTS = 10, 50, 20  # a row of the ledger holds 1 MB


def void(record: ModelVersion, why: str, at: datetime) -> None:
    """Its verdict and approval no longer count; the evaluation stays: the next number follows from it."""
    if record.verdict:
        past = PastVerdict(
            verdict=kept(record.verdict, _MOST_LINES),
            approval=record.approval,
            state=record.state,
            error=record.error,
            void_since=at,
            why=why,
        )
        record.history = [*record.history, past][-_MOST_VERDICTS:]
    record.state, record.due, record.error = ModelState.REGISTERED, None, None
    record.verdict = record.approval = record.promotion = record.rollout = None


def ask(record: ModelVersion, request: JudgingRequest) -> None:
    """A person has it judged again."""
    void(record, f"{request.by} had it judged again: {request.reason}", request.at)
    record.requests = [*record.requests, request][-_MOST_REQUESTS:]


def next_number(record: ModelVersion) -> int:
    """Of its next evaluation."""
    return record.evaluation.number + 1 if record.evaluation else 1


def asked_for(record: ModelVersion, number: int) -> JudgingRequest | None:
    """The request that brought an evaluation; None where nobody asked for it."""
    return next((one for one in record.requests if one.number == number), None)


def unfit(record: ModelVersion, model: Model) -> str | None:
    """Why a version cannot be judged again now; None where it can."""
    name = model_reference(record.model, record.version)
    match record.state:
        case ModelState.REGISTERED | ModelState.EVALUATING:
            return f"{name} is being judged: wait for its verdict"
        case ModelState.PROMOTING | ModelState.CHALLENGER:
            return f"{name} is on its way to production: wait until it has arrived or come back"
    if champion_source(model) == record.version:
        return f"{name} is champion: what comes after it is judged beside it"
    if model.previous and model.previous.source == record.version:
        return f"{name} is what a rollback goes back to: tidegate rollback {record.model}"
    return None
