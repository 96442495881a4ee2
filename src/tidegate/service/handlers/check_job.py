"""CheckJob: re-reads what became of a job, and brings the generation on that it serves. Submits nothing."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.domain.activities import month_texts as notifications
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.jobs.outcome import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobOutcome,
    JobRunning,
    ResubmitJob,
    decide_outcome,
    scoring_attempt,
)
from tidegate.domain.jobs.plan import served_by
from tidegate.domain.jobs.records import Job
from tidegate.domain.partitions.records import Claim, ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.log import Log
from tidegate.messages.commands import CheckJob, FinishMonth, Follows, Next, ScoreMonth
from tidegate.service.context import ServiceContext
from tidegate.service.steps.generation_claims import end_generation

log = Log(__name__)

_RECORDING = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class CheckJobHandler:
    """A job's row becomes final last: until then everything that its end leads to is done again."""

    context: ServiceContext

    def handle(self, command: CheckJob) -> Follows:
        """Events of jobs come early, late, doubled and out of order: each only makes us look."""
        serves, feeds = served_by(command.job, command.cause), self.context.config().feeds
        if serves is None or serves.feed not in feeds:
            return []
        claim = self.context.ledger.month(serves.feed, serves.month).claim(serves.version, serves.generation)
        if claim is None:
            return []
        job = self.context.ledger.job(command.workspace, command.job)
        if job is None:  # submitted, and not recorded yet or never: scoring again records it
            return [] if claim.generation.state.final else [Next(serves, _RECORDING)]
        if job.final:
            return _after(claim, serves)
        run = self.context.workspaces[command.workspace].jobs.get(job.name)
        if run.status == "CancelRequested":
            job.cancel_requested = True
        outcome = decide_outcome(run, scoring_attempt(job, feeds[serves.feed].score))
        if isinstance(outcome, JobRunning):
            self._record(job, run.status)
            return []
        told = self._apply(claim, job, outcome, command.cause)
        job.final, job.reason = True, getattr(outcome, "reason", None)
        self._record(job, run.status)
        return [*_after(claim, serves), *told]

    def _apply(self, claim: Claim, job: Job, outcome: JobOutcome, cause: str) -> list[Next]:
        """What the end of the current attempt means for its generation; that of an earlier one is applied."""
        generation, at = claim.generation, self.context.now()
        waited_for = generation.state in (ScoringState.CLAIMED, ScoringState.SUBMITTED)
        current = waited_for and generation.attempt == job.attempt
        log.info("job_ended", outcome=type(outcome).__name__, current=current)
        generation.job = job.name if current else generation.job
        match outcome:
            case JobCompleted() if current:
                generation.state = ScoringState.JOB_COMPLETED
                self.context.ledger.save(claim.record)
            case ResubmitJob() as again:
                told = self.context.announce(
                    notifications.preempted(claim.record, job, again, Trigger(at, cause))
                )
                if current:
                    generation.state, generation.compute = ScoringState.CLAIMED, again.compute
                    generation.attempt = job.attempt + 1
                    self.context.ledger.save(claim.record)
                return [told]
            case JobCancelled(reason) if current:
                result = Result(ScoringState.CANCELLED, reason)
                return [end_generation(self.context, claim, result, cause)]
            case JobFailed(reason) if current:
                return [end_generation(self.context, claim, Result(ScoringState.FAILED, reason), cause)]
            case JobCancelled() | JobFailed() if generation.state.final and generation.job == job.name:
                return [
                    self.context.announce(notifications.generation_ended(claim, cause))
                ]  # it ended, and was not told
        return []

    def _record(self, job: Job, status: str) -> None:
        if job.final or status != job.status:
            job.status, job.checked_at = status, self.context.now()
            self.context.ledger.save(job)


def _after(claim: Claim, serves: ScoreMonth) -> list[Next]:
    """What the generation waits for, whoever left it so."""
    match claim.generation.state:
        case ScoringState.CLAIMED:
            return [Next(serves)]
        case ScoringState.JOB_COMPLETED:
            return [Next(FinishMonth(cause=serves.cause, **claim.ids))]
    return []
