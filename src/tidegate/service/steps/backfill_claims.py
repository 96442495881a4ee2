"""The generations of backfills: claim one for a partition, and end it if its backfill was cancelled."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.backfills.plan import claim_of
from tidegate.domain.backfills.records import Backfill, BackfillState
from tidegate.domain.jobs.plan import job_name
from tidegate.domain.partitions.records import Claim, ScoringState
from tidegate.log import Log
from tidegate.messages.commands import Next
from tidegate.service.context import ServiceContext
from tidegate.service.retry import retry_on_conflict
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest, advances_backfill

log = Log(__name__)


@dataclass(frozen=True)
class BackfillClaims:
    """The partition's record names the backfill of a generation, so its ETag keeps a second one away."""

    context: ServiceContext
    claims: GenerationClaims

    def claim(self, feed: Feed, backfill: Backfill, partition: str) -> Claim | None:
        """Return the backfill's generation of a partition, a new one if there is none yet.

        Return None if the partition is being scored for another reason.
        """
        subject = f"{backfill.feed} {partition}"
        return retry_on_conflict(lambda: self._claim(feed, backfill, partition), subject)

    def _claim(self, feed: Feed, backfill: Backfill, partition: str) -> Claim | None:
        record = self.context.ledger.partition(backfill.feed, partition)
        if claim := claim_of(record, backfill.id):
            return claim
        version = record.latest
        if version is None or any(not claim.generation.state.final for claim in record.claims):
            return None
        request = ScoringRequest(
            feed=backfill.feed,
            partition=partition,
            model=backfill.model,
            reason=f"backfill {backfill.id}: {backfill.reason}",
            cause=backfill.cause,
            by=backfill.by,
            backfill=backfill.id,
        )
        return self.claims.add(feed, record, version, request)

    def end_if_cancelled(self, feed: Feed, claim: Claim, cause: str) -> list[Next] | None:
        """End a generation that has no job yet if its backfill was cancelled.

        Return what follows, or None if the generation goes on. The end of the backfill announces it.
        """
        if not is_cancelled(self.context, claim):
            return None
        if self.context.workspace_of(feed).jobs.exists(job_name(claim)):
            return None  # it was submitted, and that is not recorded yet
        generation = claim.generation
        generation.state, generation.ended_at = ScoringState.CANCELLED, self.context.now()
        generation.error = f"the backfill {generation.backfill} was cancelled"
        self.context.ledger.save(claim.record)
        log.info("generation_ended", result=claim.name, state=generation.state.value, why=generation.error)
        return advances_backfill(claim, cause)


def is_cancelled(context: ServiceContext, claim: Claim) -> bool:
    """Return whether a generation waits for its first job, and the backfill that claimed it was cancelled."""
    name = claim.generation.backfill
    if name is None or not claim.awaits_submission:
        return False
    backfill = context.ledger.backfill(claim.record.feed, name)
    return backfill is not None and backfill.state in (BackfillState.CANCELLING, BackfillState.CANCELLED)
