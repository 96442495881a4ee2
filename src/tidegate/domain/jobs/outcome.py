"""The decision what the state of a run means: completed, failed, cancelled, or preempted and resubmitted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.config.schema import Score
from tidegate.domain.jobs.records import Job

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class RunSnapshot:
    """A run as Azure's run history shows it, with the runs of its steps."""

    name: str
    status: str
    code: str = ""
    message: str = ""
    children: tuple["RunSnapshot", ...] = ()

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
class JobAttempt:
    """The number of a submission of the same work, and how many submissions its cluster allows."""

    number: int
    compute: str
    most: int = 3
    fallback: str | None = None
    cancel_requested: bool = False


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


def scoring_attempt(job: Job, score: Score) -> JobAttempt:
    """Return a scoring job as an attempt, with the limits of its feed."""
    return JobAttempt(job.attempt, job.compute, score.attempts, score.fallback, job.cancel_requested)


def decide_outcome(run: RunSnapshot, attempt: JobAttempt) -> JobOutcome:
    """Decide what the state of a run means for an attempt of any kind of job."""
    if not run.final:
        return JobRunning()
    if run.status == "Completed":
        return JobCompleted()
    if attempt.cancel_requested:
        return JobCancelled("a person cancelled the job")
    if sign := _preemption(run):
        return _after_preemption(sign, attempt)
    if run.status == "Canceled" and not any(_is_fault(step) for step in _all(run)):
        return JobCancelled("the job was cancelled, and nothing shows that its nodes were taken away")
    return JobFailed(_why(run))


def _after_preemption(sign: RunSnapshot, attempt: JobAttempt) -> ResubmitJob | JobFailed:
    reason = f"preempted on {attempt.compute} ({sign.name}: {sign.code or sign.message})"
    if attempt.compute == attempt.fallback:
        return JobFailed(f"{reason}, which is the fallback cluster")
    if attempt.number < attempt.most:
        return ResubmitJob(attempt.compute, reason)
    if attempt.fallback:
        return ResubmitJob(
            attempt.fallback, f"{reason}; attempt {attempt.number} was the last on this cluster"
        )
    return JobFailed(
        f"{reason}; attempt {attempt.number} was the last, and no fallback cluster is configured"
    )


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
