"""AdvanceBackfill: claim the next partitions of a backfill, record its progress, and end it."""

from dataclasses import dataclass

from tidegate.domain.activities import backfill_texts
from tidegate.domain.backfills.plan import Step, decide_step
from tidegate.domain.backfills.records import Backfill
from tidegate.messages.commands import AdvanceBackfill, Follows, Next, ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.steps.backfill_claims import BackfillClaims


@dataclass(frozen=True)
class AdvanceBackfillHandler:
    """The partitions' records are the truth. The backfill's record has the request and the last progress."""

    context: ServiceContext
    claims: BackfillClaims

    def handle(self, command: AdvanceBackfill) -> Follows:
        backfill = self.context.ledger.backfill(command.feed, command.backfill)
        if backfill is None:
            return []
        if backfill.state.final:
            return [self.context.announce(backfill_texts.ended(backfill, command.cause))]
        feed = self.context.feed(command.feed)
        step = decide_step(feed, backfill, self.context.ledger.partitions(command.feed))
        claimed = [self.claims.claim(feed, backfill, partition) for partition in step.claim]
        claims = [*step.submit, *(claim for claim in claimed if claim and claim.awaits_submission)]
        self._save(backfill, step)
        scorings = [Next(ScorePartition(cause=command.cause, **claim.ids)) for claim in claims]
        if not backfill.state.final:
            return scorings
        return [self.context.announce(backfill_texts.ended(backfill, command.cause))]

    def _save(self, backfill: Backfill, step: Step) -> None:
        """Save the state and the progress, if they have changed."""
        if (backfill.state, backfill.progress) == (step.state, step.progress):
            return
        backfill.state, backfill.progress = step.state, step.progress
        backfill.ended_at = self.context.now() if step.state.final else None
        self.context.ledger.save(backfill)
