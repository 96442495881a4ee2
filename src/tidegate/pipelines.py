"""Scoring jobs: what is submitted under which name, and what the end of a run means. Pure."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tidegate.commands import ScoreMonth
from tidegate.config import Feed, Score
from tidegate.datasets import (
    BLOBSTORE,
    datastore_uri,
    drift_folder,
    predictions_path,
)
from tidegate.ledger import Claim, Generation, Job, MonthVersion

_JOB_NAME = re.compile(r"score-(?P<feed>.+)-(?P<month>\d{6})-(?P<version>\d+)-g(?P<generation>\d+)-a\d+")
DRIFT_OUTPUT = "drift"
FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class JobPlan:
    """One job, as it is submitted: names of registered things, and literals."""

    job: str
    experiment: str
    display_name: str
    pipeline: str
    inputs: Mapping[str, tuple[str, str]]  # name -> (type, reference)
    literals: Mapping[str, str | float]
    outputs: Mapping[str, str]  # name -> folder in a datastore
    tags: Mapping[str, str]
    force_rerun: bool = False
    models: Mapping[str, str] = field(default_factory=dict)  # name -> the model that it is registered as


@dataclass(frozen=True)
class RunSeen:
    """A run as run history shows it, and the runs of its steps."""

    name: str
    status: str
    code: str = ""
    message: str = ""
    children: tuple["RunSeen", ...] = ()

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True)
class Sign:
    """Something that Azure shows of a run whose low-priority nodes were taken away."""

    statuses: frozenset[str]
    code: str
    message: str


# Not yet compared with live Azure, which documents that such a job ends Canceled or Failed, and no more:
# https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost#use-low-pri-vms
PREEMPTION_SIGNS = (
    Sign(statuses=frozenset({"Canceled", "Failed"}), code=r"preempt", message=r""),
    Sign(statuses=frozenset({"Canceled", "Failed"}), code=r"(node|vm).*evict", message=r""),
    Sign(
        statuses=frozenset({"Canceled"}), code=r"", message=r"\bpreempt(ed|ion)\b"
    ),  # Failed: quotes user logs
)


@dataclass(frozen=True)
class Attempt:
    """Which submission of the same work a job is, and how many there may be on its cluster."""

    number: int
    compute: str
    most: int = 3
    fallback: str | None = None
    cancel_requested: bool = False


@dataclass(frozen=True)
class StillLive:
    pass


@dataclass(frozen=True)
class JobDone:
    pass


@dataclass(frozen=True)
class Resubmit:
    """The nodes were taken away; the next attempt goes to `compute`."""

    compute: str
    reason: str


@dataclass(frozen=True)
class JobCancelled:
    reason: str


@dataclass(frozen=True)
class JobFailed:
    reason: str


Outcome = StillLive | JobDone | Resubmit | JobCancelled | JobFailed


def job_name(claim: Claim) -> str:
    """The same work has the same name: `score-digits-202611-1-g1-a1`."""
    return f"score-{claim.record.feed}-{claim.name}-a{claim.generation.attempt}"


def served_by(job: str, cause: str) -> ScoreMonth | None:
    """The command that a job of this name serves; None where the name is not one of ours."""
    found = _JOB_NAME.fullmatch(job)
    try:
        return ScoreMonth.model_validate({"cause": cause, **found.groupdict()}) if found else None
    except ValidationError:  # somebody's job with a name much like ours: month 202613, version 0
        return None


def plan_scoring(feed: Feed, claim: Claim, outputs: Collection[str] = ()) -> JobPlan:
    """Everything that the job is made of; the same for each repetition of the same attempt.

    `outputs` are those that the pipeline has: one that measures no drift has none for it.
    """
    record, version, generation = claim.record, claim.version, claim.generation
    place = (record.feed, record.month, version.number, generation.number)
    folders = {"predictions": predictions_path(*place)}
    if DRIFT_OUTPUT in outputs:
        folders[DRIFT_OUTPUT] = drift_folder(*place)
    subject = {
        "feed": record.feed,
        "month": record.month,
        "version": claim.version_name,
        "generation": str(generation.number),
    }
    return JobPlan(
        job=job_name(claim),
        experiment=record.feed,
        display_name=f"{record.feed} {claim.name}",
        pipeline=feed.score.pipeline,
        inputs={
            "images": ("uri_folder", f"azureml:{record.feed}:{subject['version']}"),
            "manifest": ("uri_file", datastore_uri(BLOBSTORE, version.manifest_path)),
            "model": ("mlflow_model", f"azureml:{generation.model_name}:{generation.model_version}"),
        },
        literals={
            "max_error_rate": feed.score.max_error_rate,
            **subject,
            "score_compute": generation.compute,
            "publish_compute": feed.score.publish_compute,
        },
        outputs={name: datastore_uri(BLOBSTORE, folder) for name, folder in folders.items()},
        tags={f"tidegate_{word}": text for word, text in {**subject, **_told(version, generation)}.items()},
        force_rerun=generation.number > 1,
    )


def decide_outcome(run: RunSeen, job: Job, score: Score) -> Outcome:
    """What a run's state means for the scoring job that it is."""
    return decide_end(
        run, Attempt(job.attempt, job.compute, score.attempts, score.fallback, job.cancel_requested)
    )


def decide_end(run: RunSeen, attempt: Attempt) -> Outcome:
    """What a run's state means for the attempt that it is."""
    if not run.final:
        return StillLive()
    if run.status == "Completed":
        return JobDone()
    if attempt.cancel_requested:
        return JobCancelled("a person cancelled the job")
    if sign := _preemption(run):
        return _after_preemption(sign, attempt)
    if run.status == "Canceled" and not any(_is_fault(one) for one in _all(run)):
        return JobCancelled("the job was cancelled, and shows no sign that its nodes were taken away")
    return JobFailed(_why(run))


def model_problem(mlmodel: Mapping[str, Any]) -> str | None:
    """Why a model's MLmodel file does not fit images; None where it does.

    One input is asked for: a uint8 tensor (-1, height, width, 1 or 3).
    """
    try:
        inputs = json.loads((mlmodel.get("signature") or {}).get("inputs") or "[]")
        [tensor] = [one["tensor-spec"] for one in inputs if one.get("type") == "tensor"] or [None]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its signature cannot be read, or has more than one tensor"
    if tensor is None:
        return "it has no tensor signature: log it with one (mlflow.models.infer_signature on a uint8 array)"
    shape = tensor.get("shape") or []
    if tensor.get("dtype") != "uint8" or len(shape) != 4 or shape[0] != -1 or shape[3] not in (1, 3):
        return f"its input is {tensor.get('dtype')} {tuple(shape)}, not uint8 (-1, height, width, 1 or 3)"
    return None


def _told(version: MonthVersion, generation: Generation) -> dict[str, str]:
    return {
        "attempt": str(generation.attempt),
        "files": str(version.files),
        "manifest": version.manifest_hash,
        "model": f"{generation.model_name}:{generation.model_version}",
        "reason": generation.reason[:500],
    }


def _after_preemption(sign: RunSeen, attempt: Attempt) -> Resubmit | JobFailed:
    reason = f"preempted on {attempt.compute} ({sign.name}: {sign.code or sign.message})"
    if attempt.compute == attempt.fallback:
        return JobFailed(f"{reason}, which is the fallback")
    if attempt.number < attempt.most:
        return Resubmit(attempt.compute, reason)
    if attempt.fallback:
        return Resubmit(attempt.fallback, f"{reason}; attempt {attempt.number} was the last there")
    return JobFailed(f"{reason}; attempt {attempt.number} was the last, and there is no fallback")


def _preemption(run: RunSeen) -> RunSeen | None:
    """The run that shows a sign of preemption: the job itself, or one of its steps."""
    return next((one for one in _all(run) for sign in PREEMPTION_SIGNS if _shows(one, sign)), None)


def _shows(run: RunSeen, sign: Sign) -> bool:
    said = bool(run.code or run.message)
    code, message = re.search(sign.code, run.code, re.I), re.search(sign.message, run.message, re.I)
    return said and run.status in sign.statuses and bool(code and message)


def _is_fault(run: RunSeen) -> bool:
    return run.status == "Failed" or bool(run.code and not re.search("cancel", run.code, re.I))


def _why(run: RunSeen) -> str:
    """What the steps say, or else the job: the job itself only says that a step failed."""
    said = [one for one in _all(run) if one.message and _is_fault(one)]
    deepest = [one for one in said if one is not run] or said
    return "; ".join(f"{one.name}: {one.message[:1500]}" for one in deepest[:3]) or f"the job is {run.status}"


def _all(run: RunSeen) -> Iterator[RunSeen]:
    yield run
    for child in run.children:
        yield from _all(child)
