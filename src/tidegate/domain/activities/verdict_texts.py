"""Notifications about verdicts: their ids, titles and texts."""

from collections.abc import Iterator

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.links import version_url
from tidegate.domain.activities.version_texts import MOST_RULES, rule_lines, version_activity
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import request_for
from tidegate.domain.lifecycle.verdict_records import Approval, Evaluation, ExternalCheck, Verdict


def registered(record: ModelVersion, cause: str) -> Activity:
    name = model_reference(record.model, record.version)
    return version_activity(
        record,
        Trigger(record.registered_at, cause),
        id=f"registered-{record.version}",
        kind="model.registered",
        title=f"Model {name} was registered in development",
        text=(
            f"Training run: {record.source.run or 'unknown'}.\n"
            "Its evaluation starts now; the verdict follows in another notification."
        ),
        data={},
    )


def judged(record: ModelVersion, verdict: Verdict, state: ModelState, cause: str) -> Activity:
    """Return the activity of a verdict: the rules that failed come first."""
    word = "refused" if state is ModelState.REFUSED else "judged"
    compared_with = f"champion {record.model}:{verdict.champion}" if verdict.champion else "no champion yet"
    failed = [line.model_dump(mode="json") for line in verdict.rules if not line.passed]
    lines = [
        *_request_line(record),
        f"Holdout: {verdict.data}. Compared with: {compared_with}. Job {verdict.job}, verdict {verdict.id}.",
        *rule_lines(verdict.rules),
        _next_step(record, state),
    ]
    return version_activity(
        record,
        Trigger(verdict.at, cause),
        id=f"{record.version}-judged-{verdict.id}",
        kind=f"model.{word}",
        title=_title(record, verdict, state),
        text="\n".join(lines),
        data={
            "state": state.value,
            "passed": verdict.passed,
            "verdict": verdict.id,
            "mode": verdict.mode,
            "champion": verdict.champion,
            "data": verdict.data,
            "job": verdict.job,
            "failed": failed[:MOST_RULES],
        },
    )


def awaits_external(record: ModelVersion, check: ExternalCheck, cause: str) -> Activity:
    """Return the activity of the question to a CI pipeline. Programs get it as an event, too."""
    name, path = model_reference(record.model, record.version), version_url(record.model, record.version)
    post = f"{path}/verdicts/external"
    return version_activity(
        record,
        Trigger(check.asked_at, cause),
        id=f"{record.version}-external-e{check.evaluation}",
        kind="model.awaits_external",
        title=f"{name} waits for the verdict of a pipeline",
        text=(
            f"The other rules of the gate have passed. Until {check.until:%Y-%m-%d %H:%M %Z} the pipeline "
            f'can answer with POST {post} and {{"passed": true, "detail": "..."}}, or with '
            f'tidegate external-verdict {name} --passed --detail "...". Without an answer it is refused.'
        ),
        data={"evaluation": check.evaluation, "until": check.until.isoformat(), "post": post},
    )


def approved(record: ModelVersion, approval: Approval, cause: str) -> Activity:
    return version_activity(
        record,
        Trigger(approval.at, cause),
        id=f"{record.version}-approved-{approval.verdict}",
        kind="model.approved",
        title=f"{approval.by} approved {model_reference(record.model, record.version)}",
        text=f"Reason: {approval.reason}. Verdict {approval.verdict}.\nIts promotion starts now.",
        data={
            "verdict": approval.verdict,
            "by": approval.by,
            "reason": approval.reason,
        },
    )


def preempted(record: ModelVersion, job: str, resubmission: ResubmitJob, trigger: Trigger) -> Activity:
    return version_activity(
        record,
        trigger,
        id=f"{job}-preempted",
        kind="model.preempted",
        title=f"{job} was preempted",
        text=(
            f"{resubmission.reason}.\nThe evaluation is submitted again, on {resubmission.compute}. "
            "There is nothing to do."
        ),
        data={"job": job, "compute": resubmission.compute, **resubmission.details},
    )


def cancelled(record: ModelVersion, evaluation: Evaluation, reason: str, trigger: Trigger) -> Activity:
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-cancelled-e{evaluation.number}",
        kind="model.cancelled",
        title=f"The evaluation of {model_reference(record.model, record.version)} was cancelled",
        text=(
            f"Job {evaluation.job}: {reason}.\nThere is no verdict, so the version is not promoted. "
            f'To have it judged: tidegate judge {record.model} {record.version} --reason "..."'
        ),
        data={"job": evaluation.job, "why": reason},
    )


def _request_line(record: ModelVersion) -> Iterator[str]:
    if record.evaluation and (request := request_for(record, record.evaluation.number)):
        yield f"Judged again, as {request.by} requested: {request.reason}."


def _title(record: ModelVersion, verdict: Verdict, state: ModelState) -> str:
    name = model_reference(record.model, record.version)
    failed = sum(not line.passed for line in verdict.rules)
    rules = f"{failed} of {len(verdict.rules)} rules failed" if failed else "all rules passed"
    if state is ModelState.OBSERVED:
        would = "would have passed" if verdict.passed else "would have been REFUSED"
        return f"OBSERVED ONLY: {name} {would} ({rules}); nothing was blocked, nothing is promoted"
    return f"{name} {'passed the gate' if verdict.passed else 'is refused'}: {rules}"


def _next_step(record: ModelVersion, state: ModelState) -> str:
    if state is ModelState.OBSERVED:
        return "The gate has mode: observe. To enforce it, set mode: enforce in tidegate.yml."
    if state is ModelState.REFUSED:
        return (
            "The champion stays in use. Register a better version. If the holdout or the rules were wrong, "
            f'correct them and run: tidegate judge {record.model} {record.version} --reason "..."'
        )
    if state is ModelState.ASSEMBLED:
        return (
            f"Some keys keep the champion's member: the set of the winners is "
            f"{model_reference(record.model, str(record.assembled_into))}. If the policy has promote, the "
            "promotion of that version follows."
        )
    return "If the policy has promote, the promotion follows; another notification says if it needs approval."
