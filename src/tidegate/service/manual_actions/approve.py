"""A person's word on a verdict: one approval serves one version and one verdict. Promotes nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from tidegate.config.model_policy import GateMode, Policy
from tidegate.domain.activities import verdict_texts as news
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout_progress import unrestored
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.errors import ConflictError, RefusedError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand, Notify, PromoteModel, RollbackModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Person, Requester, Words

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_ROUNDS = 5


class ApprovalDecision(BaseModel):
    """Whether a version may go to production, who says so, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approved: Annotated[bool, Field(strict=True)]
    by: Person = None
    reason: Words
    verdict: str = Field(description="The verdict's id: what is decided on.")


class RollbackRequest(BaseModel):
    """Make the previous champion the champion again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Person = None
    reason: Words
    to: str | None = Field(default=None, description="The production version; without it, the previous one.")


@dataclass(frozen=True, kw_only=True)
class ApprovalService:
    context: ServiceContext
    queue: "WorkQueue"

    def decide(
        self, model: str, version: str, policy: Policy | None, wanted: ApprovalDecision, voice: Requester
    ) -> ModelVersion:
        """Record the decision under the version's ETag; the same again is the same.

        RefusedError where it cannot count: refused by the gate, decided before, too late, another verdict.
        """
        for _ in range(_ROUNDS):
            record = self.context.ledger.model_version(model, version)
            if record is None:
                detail = f"Nothing is known of {model_reference(model, version)}: it has not been judged"
                raise RefusedError(404, "There is no such version", detail)
            try:
                self._record(record, policy, wanted, voice)
            except ConflictError:
                continue
            cause = f"decision-{wanted.verdict}"
            self._tell(record, cause)
            self._send(PromoteModel(cause=cause, model=model, version=version))
            return record
        raise ConflictError(f"{model_reference(model, version)} is being changed by others all the time")

    def roll_back(self, model: str, wanted: RollbackRequest, voice: Requester) -> RollbackModel:
        """Send the command; saying it twice goes back once, as it names the version to go back to."""
        champion, to = self._way_back(self.context.ledger.model(model), wanted)
        command = RollbackModel(
            cause=f"request-{uuid4()}",
            model=model,
            to=to,
            champion=champion,
            by=voice.by,
            by_source=voice.source,
            reason=wanted.reason,
        )
        self.queue.send(command)
        return command

    def _way_back(self, model: Model, wanted: RollbackRequest) -> tuple[str, str]:
        """The champion, and the production version to go back to. RefusedError where there is no way."""
        champion, previous = model.champion, model.previous
        to = wanted.to or (previous.version if previous else None)
        if champion and to == champion.version:
            if unrestored(self.context.ledger.model_version(model.model, champion.source)):
                return champion.version, to
            raise _no("It is champion", f"{model_reference(model.model, to)} is champion already")
        if champion is None or previous is None or to != previous.version:
            there = previous.version if previous else "none"
            detail = f"{model.model} can go back to its previous champion only: {there}"
            raise _no("There is nothing to go back to", detail)
        return champion.version, to

    def _record(
        self, record: ModelVersion, policy: Policy | None, wanted: ApprovalDecision, voice: Requester
    ) -> None:
        if decided_already(record, wanted, voice):
            return
        now = self.context.now()
        if problem := refusal(record, policy, wanted, now):
            raise problem
        record.approval = Approval(
            verdict=wanted.verdict,
            approved=wanted.approved,
            by=voice.by,
            by_source=voice.source,
            reason=wanted.reason,
            at=now,
        )
        self.context.ledger.save(record)
        log.info("model_decided", model=record.model, version=record.version, approved=wanted.approved)

    def _tell(self, record: ModelVersion, cause: str) -> None:
        """Of an approval; a refusal is told by the promotion that it ends."""
        if record.approval and record.approval.approved:
            activity = news.approved(record, record.approval, cause)
            self.context.ledger.add_activity(activity)
            self._send(Notify(cause=cause, subject=activity.subject, activity=activity.id))

    def _send(self, command: AnyCommand) -> None:
        """The record is what counts: where the queue is away, the timer finds it."""
        try:
            self.queue.send(command)
        except TransientError as error:
            log.warning("decision_left_to_timer", command=command.kind, error=error)


def decided_already(record: ModelVersion, wanted: ApprovalDecision, voice: Requester) -> bool:
    """Whether the same person said the same of the same verdict."""
    given = record.approval
    return given is not None and (given.verdict, given.approved, given.by) == (
        wanted.verdict,
        wanted.approved,
        voice.by,
    )


def refusal(
    record: ModelVersion, policy: Policy | None, wanted: ApprovalDecision, now: datetime
) -> RefusedError | None:
    """Why a decision cannot count; None where it does."""
    name, verdict = model_reference(record.model, record.version), record.verdict
    if verdict is None:
        return _no("It has no verdict yet", f"{name} is {record.state.value}: wait for its verdict")
    if problem := _unfit(name, record, verdict, policy):
        return problem
    if verdict.id != wanted.verdict:
        return _no(
            "That verdict does not stand", f"{name} has verdict {verdict.id}: read it, and decide on that"
        )
    return _untimely(name, record, verdict.at + _approval_within(policy), now)


def _untimely(name: str, record: ModelVersion, until: datetime, now: datetime) -> RefusedError | None:
    if given := record.approval:
        said = f"{given.by} {'approved' if given.approved else 'refused'} {name}"
        return _no("It is decided already", f"{said} at {given.at:%Y-%m-%d %H:%M %Z}: {given.reason}")
    if record.state is ModelState.EXPIRED or now >= until:
        again = f"have it judged again (tidegate judge {record.model} {record.version})"
        over = f"The time to approve {name} was over at {until:%Y-%m-%d %H:%M %Z}: {again}"
        return _no("It is too late", over)
    if record.state is not ModelState.PASSED:
        return _no("Nobody's word is waited for", f"{name} is {record.state.value}")
    return None


def _approval_within(policy: Policy | None) -> timedelta:
    return policy.promote.within if policy and policy.promote else timedelta()


def _unfit(name: str, record: ModelVersion, verdict: Verdict, policy: Policy | None) -> RefusedError | None:
    observes = policy is not None and policy.gate.mode is GateMode.OBSERVE
    if observes or verdict.mode == "observe" or record.state is ModelState.OBSERVED:
        return _no("The gate only observed", f"{name} is never promoted: its gate has mode observe")
    if not verdict.passed:
        return _no("The gate refused it", f"{name} is refused; no person can approve it: {record.error}")
    if policy is None or policy.promote is None:
        return _no("It is not promoted", f"tidegate.yml promotes no version of {record.model}")
    if policy.promote.approval != "required":
        return _no("Nobody's word is waited for", f"{record.model} is promoted without approval")
    return None


def _no(title: str, detail: str) -> RefusedError:
    return RefusedError(409, title, detail)
