"""How a generation ends: recorded and announced, in an order that stands being killed and repeated."""

from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.domain.activities import month_texts as notifications
from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.records import Claim
from tidegate.domain.partitions.result import Result, current_result
from tidegate.log import Log
from tidegate.messages.commands import Next, Notify

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger

log = Log(__name__)


def end(ledger: "Ledger", claim: Claim, result: Result, *, at: datetime, cause: str) -> Next:
    """Bring a live generation to its final state. ConflictError where its record changed: look again.

    Told is what is recorded, never what another record overtook. Whoever comes again tells it again.
    """
    generation = claim.generation
    generation.state, generation.error, generation.ended_at = result.state, result.why, at
    if result.counts:
        claim.record.result = current_result(claim)
    ledger.save(claim.record)
    log.info("generation_ended", result=claim.name, state=result.state.value, why=result.why)
    return tell(ledger, notifications.generation_ended(claim, cause))


def tell(ledger: "Ledger", activity: Activity) -> Next:
    """Record an activity, unless it is there already, and have people told of it."""
    ledger.add_activity(activity)
    return Next(Notify(cause=activity.cause, subject=activity.subject, activity=activity.id))
