"""CheckJob: read the state of a job, and bring the work of the job one step further."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.config.types import JobClusters
from tidegate.domain.activities import scoring_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.jobs.outcome import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobOutcome,
    JobRunning,
    ResubmitJob,
)
from tidegate.domain.jobs.plan import served_by
from tidegate.domain.jobs.records import Job, JobKind
from tidegate.domain.model_sets.jobs import registration_job
from tidegate.domain.partitions.records import Claim, ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.messages.commands import (
    CheckJob,
    FinishPartition,
    Follows,
    JudgeModel,
    Next,
    RegisterMembers,
    RetrainModel,
    ScorePartition,
)
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import JobRunner, clusters_for
from tidegate.service.steps.generation_claims import end_generation
from tidegate.service.steps.job_limits import JobLimitChecks

_TIME_TO_RECORD = timedelta(seconds=2)


@dataclass(frozen=True)
class CheckJobHandler:
    """The end of a scoring job is applied here. Other jobs are left to the handlers that wait for them."""

    context: ServiceContext
    runner: JobRunner
    limits: JobLimitChecks

    def handle(self, command: CheckJob) -> Follows:
        serves = served_by(command.job, command.cause)
        if serves is None:
            return self._check_model_job(command)
        feed = self.context.config().feeds.get(serves.feed)
        claim = self.context.ledger.partition(serves.feed, serves.partition).claim(
            serves.version, serves.generation
        )
        if feed is None or claim is None:
            return []
        job = self.context.ledger.job(command.workspace, command.job)
        if job is None:  # the job was submitted but not recorded: ScorePartition records it
            return [] if claim.generation.state.final else [Next(serves, _TIME_TO_RECORD)]
        return _next_step(claim, serves) if job.end else self._check_scoring(claim, job, feed.score, serves)

    def _check_scoring(
        self, claim: Claim, job: Job, clusters: JobClusters, serves: ScorePartition
    ) -> Follows:
        stuck = self.limits.check(job, clusters, serves.cause)
        outcome = self.runner.look(job, clusters)
        if isinstance(outcome, JobRunning):
            return stuck
        notifications = self._apply(claim, job, outcome, serves.cause)
        self.runner.end(job, outcome)
        return [*_next_step(claim, serves), *stuck, *notifications]

    def _check_model_job(self, command: CheckJob) -> Follows:
        """Return the command that waits for a job of a model.

        That command reads the state of the job. If no command waits for the job any more, only its end is
        recorded in its row.
        """
        job = self.context.ledger.job(command.workspace, command.job)
        clusters = clusters_for(job, self.context.config()) if job else None
        if job is None or clusters is None or job.end:
            return []
        stuck = self.limits.check(job, clusters, command.cause)
        if waiting := self._waiting_command(job, command.cause):
            return [Next(waiting), *stuck]
        outcome = self.runner.look(job, clusters)
        if not isinstance(outcome, JobRunning):
            self.runner.end(job, outcome)
        return stuck

    def _waiting_command(self, job: Job, cause: str) -> JudgeModel | RetrainModel | RegisterMembers | None:
        if job.kind is JobKind.EVALUATION:
            version = self.context.ledger.model_version(job.owner, job.work)
            evaluation = version.evaluation if version and version.being_judged else None
            waits = evaluation is not None and evaluation.job == job.name
            return JudgeModel(cause=cause, model=job.owner, version=job.work) if waits else None
        model = self.context.ledger.model(job.owner)
        if job.kind is JobKind.REGISTRATION:
            waits = (
                model.registering is not None and registration_job(job.owner, model.registering) == job.name
            )
            return RegisterMembers(cause=cause, model=job.owner, version=job.work) if waits else None
        retraining = model.retraining
        waits = retraining is not None and retraining.job == job.name
        return RetrainModel(cause=cause, model=job.owner, signal=job.work) if waits else None

    def _apply(self, claim: Claim, job: Job, outcome: JobOutcome, cause: str) -> list[Next]:
        """Apply the end of a job to its generation, if the job is the generation's current attempt."""
        generation = claim.generation
        unfinished = generation.state in (ScoringState.CLAIMED, ScoringState.SUBMITTED)
        current = unfinished and generation.attempt == job.attempt
        generation.job = job.name if current else generation.job
        match outcome:
            case JobCompleted() if current:
                generation.state = ScoringState.JOB_COMPLETED
                self.context.ledger.save(claim.record)
            case ResubmitJob():
                return self._resubmit(claim, job, outcome, current=current, cause=cause)
            case JobCancelled(reason) if current:
                result = Result(ScoringState.CANCELLED, reason)
                return end_generation(self.context, claim, result, cause)
            case JobFailed(reason) if current:
                return end_generation(self.context, claim, Result(ScoringState.FAILED, reason), cause)
            case JobCancelled() | JobFailed() if generation.state.final and generation.job == job.name:
                # The generation has its final state already, but perhaps its notification was not sent.
                return [self.context.announce(scoring_texts.generation_ended(claim, cause))]
        return []

    def _resubmit(
        self, claim: Claim, job: Job, outcome: ResubmitJob, *, current: bool, cause: str
    ) -> list[Next]:
        """Begin the next attempt. The notification of a stuck job has announced it already."""
        trigger, generation = Trigger(self.context.now(), cause), claim.generation
        preempted = scoring_texts.preempted(claim.record, job, outcome, trigger)
        announced = [] if outcome.stuck else [self.context.announce(preempted)]
        if current:
            generation.state, generation.compute = ScoringState.CLAIMED, outcome.compute
            generation.attempt = job.attempt + 1
            self.context.ledger.save(claim.record)
        return announced


def _next_step(claim: Claim, serves: ScorePartition) -> list[Next]:
    """Return the command that the generation waits for."""
    match claim.generation.state:
        case ScoringState.CLAIMED:
            return [Next(serves)]
        case ScoringState.JOB_COMPLETED:
            return [Next(FinishPartition(cause=serves.cause, **claim.ids))]
    return []
