"""CheckJob: read the state of a scoring job, and bring its generation one step further."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.domain.activities import month_texts
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

_TIME_TO_RECORD = timedelta(seconds=2)


@dataclass(frozen=True)
class CheckJobHandler:
    """The job's row is saved as final last, so that a repetition after a crash leaves nothing out."""

    context: ServiceContext

    def handle(self, command: CheckJob) -> Follows:
        serves, feeds = served_by(command.job, command.cause), self.context.config().feeds
        if serves is None or serves.feed not in feeds:
            return []
        claim = self.context.ledger.month(serves.feed, serves.month).claim(serves.version, serves.generation)
        if claim is None:
            return []
        job = self.context.ledger.job(command.workspace, command.job)
        if job is None:  # the job was submitted but not recorded: ScoreMonth records it
            return [] if claim.generation.state.final else [Next(serves, _TIME_TO_RECORD)]
        if job.final:
            return _next_step(claim, serves)
        run = self.context.workspaces[command.workspace].jobs.get(job.name)
        if run.status == "CancelRequested":
            job.cancel_requested = True
        outcome = decide_outcome(run, scoring_attempt(job, feeds[serves.feed].score))
        if isinstance(outcome, JobRunning):
            self._save(job, run.status)
            return []
        notifications = self._apply(claim, job, outcome, command.cause)
        job.final, job.reason = True, getattr(outcome, "reason", None)
        self._save(job, run.status)
        return [*_next_step(claim, serves), *notifications]

    def _apply(self, claim: Claim, job: Job, outcome: JobOutcome, cause: str) -> list[Next]:
        """Apply the end of a job to its generation, if the job is the generation's current attempt."""
        generation = claim.generation
        unfinished = generation.state in (ScoringState.CLAIMED, ScoringState.SUBMITTED)
        current = unfinished and generation.attempt == job.attempt
        log.info("job_ended", outcome=type(outcome).__name__, current=current)
        generation.job = job.name if current else generation.job
        match outcome:
            case JobCompleted() if current:
                generation.state = ScoringState.JOB_COMPLETED
                self.context.ledger.save(claim.record)
            case ResubmitJob():
                return [self._resubmit(claim, job, outcome, current=current, cause=cause)]
            case JobCancelled(reason) if current:
                result = Result(ScoringState.CANCELLED, reason)
                return [end_generation(self.context, claim, result, cause)]
            case JobFailed(reason) if current:
                return [end_generation(self.context, claim, Result(ScoringState.FAILED, reason), cause)]
            case JobCancelled() | JobFailed() if generation.state.final and generation.job == job.name:
                # The generation has its final state already, but perhaps its notification was not sent.
                return [self.context.announce(month_texts.generation_ended(claim, cause))]
        return []

    def _resubmit(self, claim: Claim, job: Job, outcome: ResubmitJob, *, current: bool, cause: str) -> Next:
        trigger, generation = Trigger(self.context.now(), cause), claim.generation
        announced = self.context.announce(month_texts.preempted(claim.record, job, outcome, trigger))
        if current:
            generation.state, generation.compute = ScoringState.CLAIMED, outcome.compute
            generation.attempt = job.attempt + 1
            self.context.ledger.save(claim.record)
        return announced

    def _save(self, job: Job, status: str) -> None:
        if job.final or status != job.status:
            job.status, job.checked_at = status, self.context.now()
            self.context.ledger.save(job)


def _next_step(claim: Claim, serves: ScoreMonth) -> list[Next]:
    """Return the command that the generation waits for."""
    match claim.generation.state:
        case ScoringState.CLAIMED:
            return [Next(serves)]
        case ScoringState.JOB_COMPLETED:
            return [Next(FinishMonth(cause=serves.cause, **claim.ids))]
    return []
