"""Approve or refuse a verdict, or roll back the champion, because a person requests it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from tidegate.config.gate import GateMode
from tidegate.config.model_policy import Policy
from tidegate.domain.activities import verdict_texts
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout_progress import unrestored
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.errors import RefusedError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand, PromoteModel, RollbackModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName
from tidegate.service.retry import retry_on_conflict, send_or_leave_to_timer

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class ApprovalDecision(BaseModel):
    """A person's decision on a verdict: whether the version may go to production."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approved: Annotated[bool, Field(strict=True)]
    by: RequesterName = None
    reason: Reason
    verdict: str = Field(description="Id of the verdict that is approved or refused.")


class RollbackRequest(BaseModel):
    """A person's request to make the previous champion the champion again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None
    reason: Reason
    to: str | None = Field(
        default=None, description="Version in production. The default is the previous champion."
    )


@dataclass(frozen=True)
class ApprovalService:
    """A decision counts for one version and one verdict. The handler of PromoteModel acts on it."""

    context: ServiceContext
    queue: "WorkQueue"

    def decide(
        self, model: str, version: str, decision: ApprovalDecision, requester: Requester
    ) -> ModelVersion:
        """Save the decision under the version's ETag. The same decision by the same person is saved once.

        Raise RefusedError if the decision cannot count: the gate refused the version, another decision was
        made, the time to approve is over, or the version has another verdict.
        """
        reference, cause = model_reference(model, version), f"decision-{decision.verdict}"
        origin = requester.origin("approve" if decision.approved else "refuse", decision.reason)
        with self.context.requested(cause, origin):
            record = retry_on_conflict(lambda: self._save(model, version, decision, requester), reference)
            commands: list[AnyCommand] = [PromoteModel(cause=cause, model=model, version=version)]
            if record.approval and record.approval.approved:  # PromoteModel announces a refusal
                announced = self.context.announce(verdict_texts.approved(record, record.approval, cause))
                commands.insert(0, announced.command)
        send_or_leave_to_timer(self.queue, *commands)
        return record

    def roll_back(self, model: str, request: RollbackRequest, requester: Requester) -> RollbackModel:
        """Send the command that rolls back, and return it.

        It names the version to go back to, so that a repeated request goes back only once.
        """
        champion, to = self._rollback_versions(self.context.ledger.model(model), request)
        command = RollbackModel(
            cause=f"request-{uuid4()}",
            origin=requester.origin("rollback", request.reason),
            model=model,
            to=to,
            champion=champion,
            by=requester.by,
            by_source=requester.source,
            reason=request.reason,
        )
        self.queue.send(command)
        return command

    def _rollback_versions(self, model: Model, request: RollbackRequest) -> tuple[str, str]:
        """Return the champion and the production version to go back to.

        Raise RefusedError if there is none.
        """
        champion, previous = model.champion, model.previous
        to = request.to or (previous.version if previous else None)
        if champion and to == champion.version:
            if unrestored(self.context.ledger.model_version(model.model, champion.source)):
                return champion.version, to
            raise _conflict(f"{model_reference(model.model, to)} is the champion already")
        if champion is None or previous is None or to != previous.version:
            available = previous.version if previous else "none"
            raise _conflict(f"{model.model} can only go back to its previous champion, which is: {available}")
        return champion.version, to

    def _save(
        self, model: str, version: str, decision: ApprovalDecision, requester: Requester
    ) -> ModelVersion:
        record = self.context.ledger.model_version(model, version)
        if record is None:
            detail = f"{model_reference(model, version)} has not been judged, or does not exist"
            raise RefusedError(404, "Not found", detail)
        if is_same_decision(record, decision, requester):
            return record
        now = self.context.now()
        if refusal := decision_refusal(record, self.context.policy(model), decision, now):
            raise refusal
        record.approval = Approval(
            verdict=decision.verdict,
            approved=decision.approved,
            by=requester.by,
            by_source=requester.source,
            reason=decision.reason,
            at=now,
        )
        self.context.ledger.save(record)
        log.info("approval_saved", model=model, version=version, approved=decision.approved)
        return record


def is_same_decision(record: ModelVersion, decision: ApprovalDecision, requester: Requester) -> bool:
    """Return whether the same person made the same decision on the same verdict before."""
    given = record.approval
    decided = (decision.verdict, decision.approved, requester.by)
    return given is not None and (given.verdict, given.approved, given.by) == decided


def decision_refusal(
    record: ModelVersion, policy: Policy | None, decision: ApprovalDecision, now: datetime
) -> RefusedError | None:
    """Return why a decision cannot count, or None if it can."""
    name, verdict = model_reference(record.model, record.version), record.verdict
    if verdict is None:
        return _not_pending(f"{name} has no verdict yet, it is {record.state.value}: wait for its verdict")
    if refusal := _verdict_refusal(name, record, verdict, policy):
        return refusal
    if verdict.id != decision.verdict:
        return _conflict(f"{name} has another verdict, {verdict.id}: read that verdict, and decide on it")
    return _state_refusal(name, record, verdict.at + _approval_period(policy), now)


def _verdict_refusal(
    name: str, record: ModelVersion, verdict: Verdict, policy: Policy | None
) -> RefusedError | None:
    observes = policy is not None and policy.gate.mode is GateMode.OBSERVE
    if observes or verdict.mode == "observe" or record.state is ModelState.OBSERVED:
        return _not_pending(f"{name} is never promoted: its gate only observed it (gate.mode is observe)")
    if not verdict.passed:
        return _not_pending(f"The gate refused {name}, and no person can approve it: {record.error}")
    if policy is None or policy.promote is None:
        return _not_pending(f"tidegate.yml promotes no version of {record.model}: it has no models.promote")
    if policy.promote.approval != "required":
        return _not_pending(f"{record.model} is promoted without approval")
    return None


def _state_refusal(name: str, record: ModelVersion, until: datetime, now: datetime) -> RefusedError | None:
    if given := record.approval:
        decided = f"{given.by} {'approved' if given.approved else 'refused'} {name}"
        return _conflict(f"{decided} at {given.at:%Y-%m-%d %H:%M %Z} already: {given.reason}")
    if record.state is ModelState.EXPIRED or now >= until:
        again = f"have it judged again (tidegate judge {record.model} {record.version})"
        return _not_pending(f"The time to approve {name} ended at {until:%Y-%m-%d %H:%M %Z}: {again}")
    if record.state is not ModelState.PASSED:
        return _not_pending(f"{name} is {record.state.value}")
    return None


def _approval_period(policy: Policy | None) -> timedelta:
    return policy.promote.within if policy and policy.promote else timedelta()


def _conflict(detail: str) -> RefusedError:
    return RefusedError(409, "Conflict", detail)


def _not_pending(detail: str) -> RefusedError:
    return RefusedError(409, "No approval is pending", detail)
