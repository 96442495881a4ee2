"""ScorePartition: submit the scoring job of a registered partition version."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import job_name, plan_scoring
from tidegate.domain.partitions.catch_up import is_held_back
from tidegate.domain.partitions.records import Claim, Partition, PartitionVersion, ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.errors import PermanentError
from tidegate.messages.commands import (
    CheckJob,
    CheckPartition,
    FinishPartition,
    Follows,
    Next,
    ScorePartition,
)
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import ClusterNotReady, JobRunner, JobSubmitted, SubmissionRefused
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.backfill_claims import BackfillClaims
from tidegate.service.steps.catching_up import CatchingUp
from tidegate.service.steps.champion_checks import ChampionChecks
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest, end_generation
from tidegate.service.steps.model_fit import find_model_problem, find_pipeline


@dataclass(frozen=True)
class ScorePartitionHandler:
    """The claim under the partition's ETag and the derived job name keep the live jobs at one."""

    context: ServiceContext
    claims: GenerationClaims
    runner: JobRunner
    catching_up: CatchingUp
    checks: ChampionChecks
    backfills: BackfillClaims

    def handle(self, command: ScorePartition) -> Follows:
        feed = self.context.feed(command.feed)
        record = self.context.ledger.partition(command.feed, command.partition)
        version = record.version(command.version)
        if version is None:
            raise PermanentError(f"{command.feed} {command.partition} has no version {command.version}")
        if (first := self._first(command, feed, record, version)) is not None:
            return first
        claim = self._claim_with_turn(command, feed, record, version)
        if claim is None:
            return []
        match claim.generation.state:
            case ScoringState.CLAIMED:
                return self._submit(command, feed, claim)
            case ScoringState.SUBMITTED:
                return [_first_look(command, feed, claim)]
            case ScoringState.JOB_COMPLETED:
                return [Next(FinishPartition(cause=command.cause, **claim.ids))]
        return []

    def _first(
        self, command: ScorePartition, feed: Feed, record: Partition, version: PartitionVersion
    ) -> Follows | None:
        """Return what comes before the version is scored or instead of it, or None if nothing does."""
        if not version.registered:
            return [Next(CheckPartition(cause=command.cause, feed=command.feed, partition=command.partition))]
        if claim := record.claim(command.version, command.generation):
            return self.backfills.end_if_cancelled(feed, claim, command.cause)
        return self.checks.hold(feed, command) if _begins(command, feed, record, version) else None

    def _claim_with_turn(
        self, command: ScorePartition, feed: Feed, record: Partition, version: PartitionVersion
    ) -> Claim | None:
        """Return the generation to score, or None if there is nothing to do, or if it has to wait."""
        claim = record.claim(command.version, command.generation)
        if claim is None:
            return self._claim(command, feed, record, version)
        return claim if self.catching_up.may_submit(feed, claim) else None

    def _claim(
        self, command: ScorePartition, feed: Feed, record: Partition, version: PartitionVersion
    ) -> Claim | None:
        """Claim a generation of the latest version that is scored without a person's request.

        This is the first one, or the next one after a superseded one, with the same model.
        """
        if version is not record.latest or is_held_back(feed, record):
            return None
        if version.superseded and command.generation == len(version.generations) + 1:
            return self.claims.add(feed, record, version, _same_again(record, version, command.cause))
        if command.generation != 1:
            return None
        if not self.catching_up.take_turn(feed, record):
            return None
        request = ScoringRequest(
            feed=record.feed, partition=record.partition, reason=version.reason, cause=command.cause
        )
        return self.claims.add(feed, record, version, request)

    def _submit(self, command: ScorePartition, feed: Feed, claim: Claim) -> Follows:
        workspace, generation = self.context.workspace_of(feed), claim.generation
        if claim.version.unusable.count == claim.version.files:
            why = claim.version.unusable.sentence(
                "file, which no job can read", "files, none of which a job can read"
            )
            return end_generation(self.context, claim, Result(ScoringState.FAILED, why), command.cause)
        name, version = generation.model_name, generation.model_version
        pipeline = find_pipeline(workspace.assets, feed.score.pipeline_name)
        if problem := find_model_problem(workspace.assets, pipeline, name, version):
            result = Result(ScoringState.FAILED, f"model {problem}")
            return end_generation(self.context, claim, result, command.cause)
        match self.runner.submit(feed.workspace, plan_scoring(feed, claim), command.cause, pipeline):
            case ClusterNotReady():
                return look_again(command, self.context.now() - generation.claimed_at)
            case SubmissionRefused(error):
                raise error
            case JobSubmitted():
                generation.state, generation.job = ScoringState.SUBMITTED, job_name(claim)
                self.context.ledger.save(claim.record)
                return [_first_look(command, feed, claim)]


def _begins(command: ScorePartition, feed: Feed, record: Partition, version: PartitionVersion) -> bool:
    """Return whether the command would claim the first generation of the latest version."""
    waits = version is record.latest and not version.generations and not is_held_back(feed, record)
    return waits and command.generation == 1


def _same_again(record: Partition, version: PartitionVersion, cause: str) -> ScoringRequest:
    before = version.generations[-1]
    return ScoringRequest(
        feed=record.feed,
        partition=record.partition,
        model=f"{before.model_name}:{before.model_version}",
        reason="files changed during the last scoring, and are the same as before again",
        cause=cause,
    )


def _first_look(command: ScorePartition, feed: Feed, claim: Claim) -> Next:
    check = CheckJob(cause=command.cause, workspace=feed.workspace, job=job_name(claim))
    return Next(check, FIRST_LOOK)
