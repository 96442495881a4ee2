"""What people are told about verdicts: activities with derived ids, and their words. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Approval, ModelState, ModelVersion, RuleResult, Verdict
from tidegate.domain.lifecycle.rejudging import asked_for

_MOST_LINES = 40


def subject_of_model(model: str) -> str:
    """The partition of a model's activities in the ledger."""
    return f"model:development:{model}"


def registered(record: ModelVersion, cause: str) -> Activity:
    name = model_reference(record.model, record.version)
    return _activity(
        record,
        "registered",
        Trigger(record.registered_at, cause),
        id=f"registered-{record.version}",
        title=f"Model {name} was registered in development",
        text=f"{name} is going to be judged. Run: {record.source.get('run') or 'unknown'}.",
    )


def judged(record: ModelVersion, verdict: Verdict, state: ModelState, cause: str) -> Activity:
    """The verdict in words: what failed first, then the rest."""
    refused = state is ModelState.REFUSED
    beside = f"champion {record.model}:{verdict.champion}" if verdict.champion else "no champion yet"
    return _activity(
        record,
        "refused" if refused else "judged",
        Trigger(verdict.at, cause),
        id=f"{record.version}-judged-{verdict.id}",
        title=_title(record, verdict, state),
        text="\n".join(
            [
                *_asked(record),
                f"On {verdict.data}, beside {beside}. Job {verdict.job}, verdict {verdict.id}.",
                *_lines(verdict.rules),
            ]
        ),
        data={
            "state": state.value,
            "passed": verdict.passed,
            "verdict": verdict.id,
            "mode": verdict.mode,
            "champion": verdict.champion,
            "data": verdict.data,
            "job": verdict.job,
            "failed": [line.model_dump(mode="json") for line in verdict.rules if not line.passed][
                :_MOST_LINES
            ],
        },
    )


def approved(record: ModelVersion, approval: Approval, cause: str) -> Activity:
    """A person's word on a verdict."""
    return _activity(
        record,
        "approved",
        Trigger(approval.at, cause),
        id=f"{record.version}-approved-{approval.verdict}",
        title=f"{approval.by} approved {model_reference(record.model, record.version)}",
        text=f"{approval.reason}. Verdict {approval.verdict}.",
        data={"verdict": approval.verdict, "by": approval.by, "reason": approval.reason},
    )


def preempted(record: ModelVersion, job: str, again: ResubmitJob, at: datetime, cause: str) -> Activity:
    return _activity(
        record,
        "preempted",
        Trigger(at, cause),
        id=f"{job}-preempted",
        title=f"{job} was preempted",
        text=f"{again.reason}. It is submitted again.",
        data={"job": job},
    )


def _asked(record: ModelVersion) -> Iterator[str]:
    if record.evaluation and (asked := asked_for(record, record.evaluation.number)):
        yield f"Judged again, as {asked.by} wished: {asked.reason}."


def _title(record: ModelVersion, verdict: Verdict, state: ModelState) -> str:
    name = model_reference(record.model, record.version)
    failed = sum(not line.passed for line in verdict.rules)
    rules = f"{failed} of {len(verdict.rules)} rules failed" if failed else "every rule holds"
    if state is ModelState.OBSERVED:
        would = "would have passed" if verdict.passed else "would have been REFUSED"
        return f"OBSERVED ONLY: {name} {would} ({rules}); nothing was blocked, nothing is promoted"
    return f"{name} {'passed the gate' if verdict.passed else 'is refused'}: {rules}"


def _lines(rules: Iterable[RuleResult]) -> Iterator[str]:
    ordered = sorted(rules, key=lambda line: line.passed)
    for line in ordered[:_MOST_LINES]:
        what = " ".join(filter(None, [line.metric, f"[{line.slice}]" if line.slice else "", line.rule]))
        yield f"{'+' if line.passed else 'FAILED'} {what}: {line.why}"
    if len(ordered) > _MOST_LINES:
        yield f"and {len(ordered) - _MOST_LINES} more"


def _activity(record: ModelVersion, word: str, trigger: Trigger, **told: object) -> Activity:
    """`told`: id, title, text and data."""
    about = {"model": record.model, "version": record.version}
    data = told.pop("data", None)
    return Activity.model_validate(
        {
            "subject": subject_of_model(record.model),
            "kind": f"model.{word}",
            "at": trigger.at,
            "cause": trigger.cause,
            "data": about | (data if isinstance(data, dict) else {}),
            **told,
        }
    )
