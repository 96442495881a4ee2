"""What the end of a run means: done, failed, cancelled, or preempted and to be submitted again. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.config.schema import Score
from tidegate.domain.jobs.records import Job

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class RunSnapshot:
    """A run as run history shows it, and the runs of its steps."""

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
    """Something that Azure shows of a run whose low-priority nodes were taken away."""

    statuses: frozenset[str]
    code: str
    message: str


# Not yet compared with live Azure, which documents that such a job ends Canceled or Failed, and no more:
# https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost#use-low-pri-vms
PREEMPTION_SIGNS = (
    PreemptionSign(statuses=frozenset({"Canceled", "Failed"}), code=r"preempt", message=r""),
    PreemptionSign(statuses=frozenset({"Canceled", "Failed"}), code=r"(node|vm).*evict", message=r""),
    # Not where it failed: that message quotes the job's own logs.
    PreemptionSign(statuses=frozenset({"Canceled"}), code=r"", message=r"\bpreempt(ed|ion)\b"),
)


@dataclass(frozen=True)
class JobAttempt:
    """Which submission of the same work a job is, and how many there may be on its cluster."""

    number: int
    compute: str
    most: int = 3
    fallback: str | None = None
    cancel_requested: bool = False


@dataclass(frozen=True)
class JobRunning:
    pass


@dataclass(frozen=True)
class JobCompleted:
    pass


@dataclass(frozen=True)
class ResubmitJob:
    """The nodes were taken away; the next attempt goes to `compute`."""

    compute: str
    reason: str


@dataclass(frozen=True)
class JobCancelled:
    reason: str


@dataclass(frozen=True)
class JobFailed:
    reason: str


JobOutcome = JobRunning | JobCompleted | ResubmitJob | JobCancelled | JobFailed


def decide_outcome(run: RunSnapshot, job: Job, score: Score) -> JobOutcome:
    """What a run's state means for the scoring job that it is."""
    return decide_end(
        run, JobAttempt(job.attempt, job.compute, score.attempts, score.fallback, job.cancel_requested)
    )


def decide_end(run: RunSnapshot, attempt: JobAttempt) -> JobOutcome:
    """What a run's state means for the attempt that it is."""
    if not run.final:
        return JobRunning()
    if run.status == "Completed":
        return JobCompleted()
    if attempt.cancel_requested:
        return JobCancelled("a person cancelled the job")
    if sign := _preemption(run):
        return _after_preemption(sign, attempt)
    if run.status == "Canceled" and not any(_is_fault(one) for one in _all(run)):
        return JobCancelled("the job was cancelled, and shows no sign that its nodes were taken away")
    return JobFailed(_why(run))


def _after_preemption(sign: RunSnapshot, attempt: JobAttempt) -> ResubmitJob | JobFailed:
    reason = f"preempted on {attempt.compute} ({sign.name}: {sign.code or sign.message})"
    if attempt.compute == attempt.fallback:
        return JobFailed(f"{reason}, which is the fallback")
    if attempt.number < attempt.most:
        return ResubmitJob(attempt.compute, reason)
    if attempt.fallback:
        return ResubmitJob(attempt.fallback, f"{reason}; attempt {attempt.number} was the last there")
    return JobFailed(f"{reason}; attempt {attempt.number} was the last, and there is no fallback")


def _preemption(run: RunSnapshot) -> RunSnapshot | None:
    """The run that shows a sign of preemption: the job itself, or one of its steps."""
    return next((one for one in _all(run) for sign in PREEMPTION_SIGNS if _shows(one, sign)), None)


def _shows(run: RunSnapshot, sign: PreemptionSign) -> bool:
    said = bool(run.code or run.message)
    code, message = re.search(sign.code, run.code, re.I), re.search(sign.message, run.message, re.I)
    return said and run.status in sign.statuses and bool(code and message)


def _is_fault(run: RunSnapshot) -> bool:
    return run.status == "Failed" or bool(run.code and not re.search("cancel", run.code, re.I))


def _why(run: RunSnapshot) -> str:
    """What the steps say, or else the job: the job itself only says that a step failed."""
    said = [one for one in _all(run) if one.message and _is_fault(one)]
    deepest = [one for one in said if one is not run] or said
    return "; ".join(f"{one.name}: {one.message[:1500]}" for one in deepest[:3]) or f"the job is {run.status}"


def _all(run: RunSnapshot) -> Iterator[RunSnapshot]:
    yield run
    for child in run.children:
        yield from _all(child)
