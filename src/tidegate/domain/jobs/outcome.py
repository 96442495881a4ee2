"""The decision what the state of a run means: completed, failed, cancelled, or preempted and resubmitted."""

import re
from dataclasses import dataclass
from typing import Any

from tidegate.config.types import JobClusters
from tidegate.domain.jobs.error_messages import describe_error
from tidegate.domain.jobs.preemption import find_preemption
from tidegate.domain.jobs.records import Job, JobEnd, Preemption
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.domain.jobs.time_limits import stuck_reason


@dataclass(frozen=True)
class JobRunning:
    """The job has not ended."""


@dataclass(frozen=True)
class JobCompleted:
    """The job completed."""


@dataclass(frozen=True)
class ResubmitJob:
    """The job was preempted, or the service cancelled it because it was stuck.

    The next attempt runs on `compute`.
    """

    compute: str
    reason: str
    preemption: Preemption | None = None
    stuck: bool = False

    @property
    def details(self) -> dict[str, Any]:
        """Return the sign that showed the preemption, for the data of a notification."""
        return {"preemption": self.preemption.model_dump()} if self.preemption else {}


@dataclass(frozen=True)
class JobCancelled:
    """The job was cancelled, for this reason."""

    reason: str


@dataclass(frozen=True)
class JobFailed:
    """The job failed, for this reason. `preemption` is set if its last attempt was preempted."""

    reason: str
    preemption: Preemption | None = None


JobOutcome = JobRunning | JobCompleted | ResubmitJob | JobCancelled | JobFailed


def decide_outcome(run: RunSnapshot, job: Job, clusters: JobClusters) -> JobOutcome:
    """Decide what the state of a run means for a job of any kind."""
    if not run.final:
        return JobRunning()
    if run.status == "Completed":
        return JobCompleted()
    if cancelled := _after_cancellation(job):
        return cancelled
    if preemption := find_preemption(run.walk()):
        return _after_preemption(preemption, job, clusters)
    if run.status == "Canceled" and not any(_is_fault(step) for step in run.walk()):
        return JobCancelled("the job was cancelled, and nothing shows that its nodes were taken away")
    return JobFailed(_why(run))


def end_of(outcome: JobOutcome) -> JobEnd | None:
    """Return how a job with this outcome ended, or None if it has not ended."""
    match outcome:
        case JobRunning():
            return None
        case JobCompleted():
            return JobEnd.COMPLETED
        case ResubmitJob(stuck=stuck):
            return JobEnd.STUCK if stuck else JobEnd.PREEMPTED
        case JobCancelled():
            return JobEnd.CANCELLED
        case JobFailed():
            return JobEnd.FAILED


def _after_cancellation(job: Job) -> ResubmitJob | JobCancelled | None:
    """Return the outcome of a job that the service or a person cancelled, or None if neither did."""
    if job.resubmit_on:
        reasons = "; ".join(stuck_reason(stuck) for stuck in job.stuck)
        return ResubmitJob(job.resubmit_on, f"stuck on {job.cluster}: {reasons}", stuck=True)
    return JobCancelled("a person cancelled the job") if job.cancel_requested else None


def _after_preemption(preemption: Preemption, job: Job, clusters: JobClusters) -> ResubmitJob | JobFailed:
    reason = f"preempted on {job.cluster}: {preemption.text}"
    if job.cluster == clusters.fallback:
        return JobFailed(f"{reason}; this is the fallback cluster", preemption)
    if job.attempt < clusters.attempts:
        return ResubmitJob(job.cluster, reason, preemption)
    last = f"{reason}; attempt {job.attempt} was the last"
    if clusters.fallback:
        return ResubmitJob(clusters.fallback, f"{last} on this cluster", preemption)
    return JobFailed(f"{last}, and no fallback cluster is configured", preemption)


def _is_fault(run: RunSnapshot) -> bool:
    return run.status == "Failed" or bool(run.code and not re.search("cancel", run.code, re.I))


def _why(run: RunSnapshot) -> str:
    """Return the messages of the failed steps, or the job's message, which only says that a step failed."""
    failed = [step for step in run.walk() if step.message and _is_fault(step)]
    deepest = [step for step in failed if step is not run] or failed
    messages = "; ".join(f"{step.name}: {describe_error(step.message)}" for step in deepest[:3])
    return messages or f"the job is {run.status}"
