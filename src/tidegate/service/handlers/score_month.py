"""ScoreMonth: submit the scoring job of a registered month version."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import job_name, model_problem, plan_scoring
from tidegate.domain.partitions.catch_up import is_held_back
from tidegate.domain.partitions.records import Claim, Month, MonthVersion, ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.errors import PermanentError
from tidegate.messages.commands import CheckJob, CheckMonth, FinishMonth, Follows, Next, ScoreMonth
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import ClusterNotReady, JobRunner, JobSubmitted, SubmissionRefused
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.catching_up import CatchingUp
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest, end_generation


@dataclass(frozen=True)
class ScoreMonthHandler:
    """The claim under the month's ETag and the derived job name make sure that there is only one live job."""

    context: ServiceContext
    claims: GenerationClaims
    runner: JobRunner
    catching_up: CatchingUp

    def handle(self, command: ScoreMonth) -> Follows:
        feed = self.context.feed(command.feed)
        record = self.context.ledger.month(command.feed, command.month)
        version = record.version(command.version)
        if version is None:
            raise PermanentError(f"{command.feed} {command.month} has no version {command.version}")
        if not version.registered:
            return [Next(CheckMonth(cause=command.cause, feed=command.feed, month=command.month))]
        claim = record.claim(command.version, command.generation) or self._claim(
            command, feed, record, version
        )
        if claim is None:
            return []
        match claim.generation.state:
            case ScoringState.CLAIMED:
                return self._submit(command, feed, claim)
            case ScoringState.SUBMITTED:
                return [_first_look(command, feed, claim)]
            case ScoringState.JOB_COMPLETED:
                return [Next(FinishMonth(cause=command.cause, **claim.ids))]
        return []

    def _claim(self, command: ScoreMonth, feed: Feed, record: Month, version: MonthVersion) -> Claim | None:
        """Claim the first generation of the latest version, which is scored without a person's request."""
        if command.generation != 1 or version is not record.latest or is_held_back(feed, record):
            return None
        if not self.catching_up.take_turn(feed, record):
            return None
        request = ScoringRequest(feed=record.feed, month=record.month, reason=version.reason)
        return self.claims.add(feed, record, version, request)

    def _submit(self, command: ScoreMonth, feed: Feed, claim: Claim) -> Follows:
        workspace, generation = self.context.workspace_of(feed), claim.generation
        mlmodel = workspace.assets.mlmodel(generation.model_name, generation.model_version)
        if problem := model_problem(mlmodel):
            why = f"model {generation.model_name}:{generation.model_version} cannot score images: {problem}"
            result = Result(ScoringState.FAILED, why)
            return [end_generation(self.context, claim, result, command.cause)]
        match self.runner.submit(feed.workspace, plan_scoring(feed, claim)):
            case ClusterNotReady():
                return look_again(command, self.context.now() - generation.claimed_at)
            case SubmissionRefused(error):
                raise error
            case JobSubmitted():
                generation.state, generation.job = ScoringState.SUBMITTED, job_name(claim)
                self.context.ledger.save(claim.record)
                return [_first_look(command, feed, claim)]


def _first_look(command: ScoreMonth, feed: Feed, claim: Claim) -> Next:
    check = CheckJob(cause=command.cause, workspace=feed.workspace, job=job_name(claim))
    return Next(check, FIRST_LOOK)
