"""The evaluation of a model version: the job that is submitted, and the verdict on its evidence."""

from collections.abc import Mapping
from datetime import datetime

from tidegate.config.gate import Gate, GateMode
from tidegate.config.model_policy import Policy
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.jobs.plan import JobInput, JobPlan
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.lifecycle.evidence import Evidence, NoEvidence
from tidegate.domain.lifecycle.gate import EvaluationSubject, decide_rules, passes, verdict_id
from tidegate.domain.lifecycle.names import evaluation_folder, model_reference
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Evaluation, RuleResult, Verdict

NONE = "none"  # a literal of a job cannot be empty
_MOST_LINES = 300  # a row of the ledger holds 1 MB; verdict.json has every line


def subject_of(record: ModelVersion, evaluation: Evaluation) -> EvaluationSubject:
    """Return what an evaluation is about: its candidate, champion and holdout."""
    champion = model_reference(record.model, evaluation.champion) if evaluation.champion else None
    return EvaluationSubject(model_reference(record.model, record.version), champion, evaluation.data)


def plan_evaluation(policy: Policy, record: ModelVersion, evaluation: Evaluation) -> JobPlan:
    """Plan the job that scores candidate and champion on the same holdout version.

    The plan of an attempt is always the same, so that a repetition submits the same job.
    """
    compared = subject_of(record, evaluation)
    models = {"candidate": compared.candidate} | (
        {"champion": compared.champion} if compared.champion else {}
    )
    folder = evaluation_folder(record.model, record.version, evaluation.number)
    cluster = evaluation.compute or policy.evaluate.compute
    return JobPlan(
        kind=JobKind.EVALUATION,
        subject=compared.candidate,
        attempt=evaluation.attempt,
        cluster=cluster,
        job=evaluation.job,
        experiment=record.model,
        display_name=f"judge {compared.candidate}",
        pipeline=policy.evaluate.pipeline,
        inputs={
            **{name: JobInput("mlflow_model", f"azureml:{model}") for name, model in models.items()},
            "holdout": JobInput("uri_folder", f"azureml:{evaluation.data}"),
        },
        literals={
            **policy.evaluate.inputs,
            "model": record.model,
            "version": record.version,
            "evaluation": str(evaluation.number),
            "candidate_name": compared.candidate,
            "champion_name": compared.champion or NONE,
            "data": evaluation.data,
            "slice_by": policy.gate.slices.by if policy.gate.slices else NONE,
            "evaluation_compute": cluster,
        },
        outputs={"verdict_evidence": datastore_uri(BLOBSTORE, folder)},
        tags=evaluation_tags(record, evaluation),
    )


def evaluation_tags(record: ModelVersion, evaluation: Evaluation) -> dict[str, str]:
    """Return the tags of an evaluation's job, which say what it is about."""
    subject = {
        "model": record.model,
        "model_version": record.version,
        "evaluation": str(evaluation.number),
        "attempt": str(evaluation.attempt),
        "data": evaluation.data,
        "champion": subject_of(record, evaluation).champion or NONE,
    }
    if record.requests and record.requests[-1].number == evaluation.number:
        subject["reason"] = record.requests[-1].reason[:500]
    return {f"tidegate_{word}": text for word, text in subject.items()}


def decide_verdict(
    gate: Gate,
    record: ModelVersion,
    evidence: Evidence | NoEvidence,
    training: Mapping[str, float | None],
    at: datetime,
) -> Verdict:
    """Decide the verdict on the evaluation in the version's record.

    `training` has the metrics of the run that trained the model.
    """
    evaluation = record.evaluation
    assert evaluation is not None
    compared = subject_of(record, evaluation)
    lines = decide_rules(gate, compared, evidence, training)
    return Verdict(
        id=verdict_id(compared, evaluation.number),
        passed=passes(lines),
        mode=gate.mode.value,
        rules=lines,
        data=evaluation.data,
        champion=evaluation.champion,
        job=evaluation.job,
        files=evaluation.files,
        decoder=None if isinstance(evidence, NoEvidence) else evidence.decoder,
        at=at,
    )


def state_after(verdict: Verdict) -> ModelState:
    """Return the version's state after a verdict."""
    if verdict.mode == GateMode.OBSERVE.value:
        return ModelState.OBSERVED
    return ModelState.PASSED if verdict.passed else ModelState.REFUSED


def shortened(verdict: Verdict, most: int = _MOST_LINES) -> Verdict:
    """Return a verdict with at most `most` lines, the failed ones first, as the ledger stores it."""
    if len(verdict.rules) <= most:
        return verdict
    lines = sorted(verdict.rules, key=lambda line: line.passed)
    left = len(lines) - most
    failed = sum(not line.passed for line in lines[most:])
    rest = RuleResult(
        rule="more",
        metric="",
        value=None,
        threshold=None,
        passed=not failed,
        why=f"{left} more lines, {failed} of them failed; verdict.json has them all",
    )
    return verdict.model_copy(update={"rules": [*lines[:most], rest]})
