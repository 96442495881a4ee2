"""Score a range of partitions again because a person requests it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.domain.activities import backfill_texts
from tidegate.domain.backfills.plan import Plan, decide_plan, partitions_in
from tidegate.domain.backfills.records import (
    Action,
    Backfill,
    BackfillChange,
    BackfillProgress,
    BackfillState,
    RequestedBackfill,
    decide_state,
)
from tidegate.errors import RefusedError
from tidegate.log import Log
from tidegate.messages.commands import AdvanceBackfill
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName
from tidegate.service.retry import retry_on_conflict, send_or_leave_to_timer
from tidegate.service.steps.generation_claims import GenerationClaims
from tidegate.service.steps.model_fit import requested_model

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

Range = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=18)]
ModelOfRequest = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}(:[A-Za-z0-9][A-Za-z0-9_.-]{0,29})?$")
]


class BackfillRequest(BaseModel):
    """A person's request to score a range of partitions again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    range: Range = Field(description="`202601..202610`, or `20260101..20260131` for a daily feed.")
    model: ModelOfRequest | None = Field(
        default=None,
        description="`classifier:3`: partitions whose result is of this version already are skipped. The "
        "default is the model of tidegate.yml, with which every partition is scored again.",
    )
    max: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        default=3, description="How many partitions are scored at a time. catch_up.max_live limits it, too."
    )
    by: RequesterName = None
    reason: Reason = "results of an earlier model are replaced"


class BackfillChangeRequest(BaseModel):
    """A person's request to pause, resume or cancel a backfill."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None


@dataclass(frozen=True)
class BackfillService:
    """A backfill is a record in the ledger, which the command AdvanceBackfill and the timer move on."""

    context: ServiceContext
    claims: GenerationClaims
    queue: "WorkQueue"

    def check(self, feed: str, request: BackfillRequest) -> Backfill:
        """Return the backfill that a request would start. Change nothing."""
        return self._planned(feed, request, Requester(request.by or "-", "caller"))

    def start(self, feed: str, request: BackfillRequest, requester: Requester, key: str | None) -> Backfill:
        """Record a backfill and send the command that begins it.

        The same request returns the same backfill while it is under way, and after it has ended without a
        failed partition unless it comes with a new key. Raise RefusedError if another backfill has partitions
        of the range, or if there is nothing to score.
        """
        backfill = retry_on_conflict(
            lambda: self._start(feed, request, requester, key), f"backfills of {feed}"
        )
        origin = requester.origin("backfill", backfill.reason)
        with self.context.requested(backfill.cause, origin):
            started = self.context.announce(backfill_texts.started(backfill)).command
        advance = AdvanceBackfill(cause=backfill.cause, origin=origin, feed=feed, backfill=backfill.id)
        send_or_leave_to_timer(self.queue, started, *([] if backfill.state.final else [advance]))
        log.info("backfill_requested", feed=feed, backfill=backfill.id, partitions=len(backfill.partitions))
        return backfill

    def change(self, feed: str, id: str, action: Action, requester: Requester) -> Backfill:
        """Pause, resume or cancel a backfill. Repeating it changes nothing.

        Raise RefusedError if there is no such backfill, or if its state does not allow the action.
        """
        backfill = retry_on_conflict(lambda: self._change(feed, id, action, requester), f"backfill {id}")
        if not backfill.state.final:
            cause, origin = f"{backfill.cause}-{action}", requester.origin(f"{action} backfill")
            send_or_leave_to_timer(
                self.queue, AdvanceBackfill(cause=cause, origin=origin, feed=feed, backfill=id)
            )
        return backfill

    def find(self, feed: str, id: str) -> Backfill:
        """Return a backfill. Raise RefusedError if there is none of this id."""
        if backfill := self.context.ledger.backfill(feed, id):
            return backfill
        known = ", ".join(each.id for each in self.context.ledger.backfills(feed)) or "none"
        raise RefusedError(404, "Not found", f"{feed} has no backfill {id!r}; it has: {known}")

    def _start(self, feed: str, request: BackfillRequest, requester: Requester, key: str | None) -> Backfill:
        others = self.context.ledger.backfills(feed)
        planned = self._planned(feed, request, requester)
        wanted = RequestedBackfill(
            planned.first, planned.last, planned.model, planned.only_missing, planned.max_live
        )
        if known := _known(others, wanted, key):
            return known
        if other := next((each for each in others if not each.state.final and each.overlaps(wanted)), None):
            detail = (
                f"The backfill {other.id} of {feed} by {other.model} is {other.state} and has partitions of "
                "this range: wait for its end, or cancel it"
            )
            raise RefusedError(409, "Conflict", detail)
        if not planned.partitions:
            reasons = "; ".join(f"{each.partition}: {each.why}" for each in planned.skipped[:20])
            raise RefusedError(409, "Conflict", f"No partition of the range can be scored. {reasons}")
        number = 1 + sum((each.first, each.last) == (planned.first, planned.last) for each in others)
        planned.id, planned.idempotency_key = f"{planned.first}-{planned.last}-{number}", key
        with self.context.requested(planned.cause, requester.origin("backfill", planned.reason)):
            self.context.ledger.save(planned)
        return planned

    def _planned(self, feed: str, request: BackfillRequest, requester: Requester) -> Backfill:
        """Return the record of a request, without saving it."""
        config = self.context.feed(feed)
        partitions = partitions_in(request.range, config.path.period)
        model = requested_model(self.context, self.claims, config, request.model)
        only_missing = request.model is not None
        plan: Plan = decide_plan(
            config, self.context.ledger.partitions(feed), partitions, model if only_missing else None
        )
        return Backfill(
            feed=feed,
            id="planned",
            first=partitions[0],
            last=partitions[-1],
            model=model,
            only_missing=only_missing,
            max_live=request.max,
            by=requester.by,
            by_source=requester.source,
            reason=request.reason,
            requested_at=self.context.now(),
            partitions=plan.partitions,
            skipped=plan.skipped,
            progress=BackfillProgress(waiting=len(plan.partitions)),
        )

    def _change(self, feed: str, id: str, action: Action, requester: Requester) -> Backfill:
        backfill = self.find(feed, id)
        state = decide_state(backfill, action)
        if state is backfill.state:
            return backfill
        change = BackfillChange(action=action, by=requester.by, at=self.context.now())
        backfill.state, backfill.changes = state, [*backfill.changes, change]
        with self.context.requested(f"{backfill.cause}-{action}", requester.origin(f"{action} backfill")):
            self.context.ledger.save(backfill)
        log.info("backfill_changed", feed=feed, backfill=id, state=state.value)
        return backfill


def _known(others: list[Backfill], wanted: RequestedBackfill, key: str | None) -> Backfill | None:
    """Return the backfill that an equal request has made, or None if a new one is to be made."""
    if key and (same_key := next((each for each in others if each.idempotency_key == key), None)):
        if same_key.asks_for(wanted):
            return same_key
        detail = f"This Idempotency-Key belongs to another request, which made {same_key.id}: use a new key"
        raise RefusedError(422, "Unprocessable", detail)
    equal = [each for each in others if each.asks_for(wanted)]
    if live := next((each for each in equal if not each.state.final), None):
        return live
    done = [each for each in equal if each.state is BackfillState.DONE and not each.progress.failed]
    return done[-1] if done and not key else None
