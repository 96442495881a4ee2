"""The decision what the state of a run means: completed, failed, cancelled, or preempted and resubmitted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tidegate.config.types import JobClusters
from tidegate.domain.jobs.records import Job, JobEnd

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class RunSnapshot:
    """A run as Azure's run history shows it, with the runs of its steps."""

    name: str
    status: str
    code: str = ""
    message: str = ""
    children: tuple["RunSnapshot", ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True)
class PreemptionSign:
    """A sign that a run was preempted: it lost its low-priority nodes. The patterns ignore case."""

    statuses: frozenset[str]
    code: str
    message: str


# These signs have not been compared with live Azure yet. Azure documents only that such a job ends as
# Canceled or Failed:
# https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost#use-low-pri-vms
PREEMPTION_SIGNS = (
    PreemptionSign(statuses=frozenset({"Canceled", "Failed"}), code=r"preempt", message=r""),
    PreemptionSign(statuses=frozenset({"Canceled", "Failed"}), code=r"(node|vm).*evict", message=r""),
    # The status Failed is left out, because its message quotes the job's own logs.
    PreemptionSign(statuses=frozenset({"Canceled"}), code=r"", message=r"\bpreempt(ed|ion)\b"),
)


@dataclass(frozen=True)
class JobRunning:
    """The job has not ended."""


@dataclass(frozen=True)
class JobCompleted:
    """The job completed."""


@dataclass(frozen=True)
class ResubmitJob:
    """The job was preempted: it lost its nodes. The next attempt runs on `compute`."""

    compute: str
    reason: str


@dataclass(frozen=True)
class JobCancelled:
    """The job was cancelled, for this reason."""

    reason: str


@dataclass(frozen=True)
class JobFailed:
    """The job failed, for this reason."""

    reason: str


JobOutcome = JobRunning | JobCompleted | ResubmitJob | JobCancelled | JobFailed


def decide_outcome(run: RunSnapshot, job: Job, clusters: JobClusters) -> JobOutcome:
    """Decide what the state of a run means for a job of any kind."""
    if not run.final:
        return JobRunning()
    if run.status == "Completed":
        return JobCompleted()
    if job.cancel_requested:
        return JobCancelled("a person cancelled the job")
    if sign := _preemption(run):
        return _after_preemption(sign, job, clusters)
    if run.status == "Canceled" and not any(_is_fault(step) for step in _all(run)):
        return JobCancelled("the job was cancelled, and nothing shows that its nodes were taken away")
    return JobFailed(_why(run))


def end_of(outcome: JobOutcome) -> JobEnd | None:
    """Return how a job with this outcome ended, or None if it has not ended."""
    match outcome:
        case JobRunning():
            return None
        case JobCompleted():
            return JobEnd.COMPLETED
        case ResubmitJob():
            return JobEnd.PREEMPTED
        case JobCancelled():
            return JobEnd.CANCELLED
        case JobFailed():
            return JobEnd.FAILED


def _after_preemption(sign: RunSnapshot, job: Job, clusters: JobClusters) -> ResubmitJob | JobFailed:
    reason = f"preempted on {job.cluster} ({sign.name}: {sign.code or sign.message})"
    if job.cluster == clusters.fallback:
        return JobFailed(f"{reason}, which is the fallback cluster")
    if job.attempt < clusters.attempts:
        return ResubmitJob(job.cluster, reason)
    last = f"{reason}; attempt {job.attempt} was the last"
    if clusters.fallback:
        return ResubmitJob(clusters.fallback, f"{last} on this cluster")
    return JobFailed(f"{last}, and no fallback cluster is configured")


def _preemption(run: RunSnapshot) -> RunSnapshot | None:
    """Return the run that shows a sign of preemption: the job itself or one of its steps, or None."""
    return next((step for step in _all(run) for sign in PREEMPTION_SIGNS if _shows(step, sign)), None)


def _shows(run: RunSnapshot, sign: PreemptionSign) -> bool:
    has_text = bool(run.code or run.message)
    code, message = re.search(sign.code, run.code, re.I), re.search(sign.message, run.message, re.I)
    return has_text and run.status in sign.statuses and bool(code and message)


def _is_fault(run: RunSnapshot) -> bool:
    return run.status == "Failed" or bool(run.code and not re.search("cancel", run.code, re.I))


def _why(run: RunSnapshot) -> str:
    """Return the messages of the failed steps, or the job's message, which only says that a step failed."""
    failed = [step for step in _all(run) if step.message and _is_fault(step)]
    deepest = [step for step in failed if step is not run] or failed
    messages = "; ".join(f"{step.name}: {step.message[:1500]}" for step in deepest[:3])
    return messages or f"the job is {run.status}"


def _all(run: RunSnapshot) -> Iterator[RunSnapshot]:
    yield run
    for child in run.children:
        yield from _all(child)
