"""PromoteModel: from a passing verdict to production, and back. Judges nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.config.model_policy import Policy, Promote
from tidegate.domain.activities import promotion_texts as promotion_news
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.promotion import (
    IN_PROMOTION,
    OTHER_FILES,
    AwaitApproval,
    AwaitOtherPromotion,
    BeginPromotion,
    ContinueCopy,
    InProduction,
    JudgeAgain,
    StopPromotion,
    decide_promotion,
)
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion, Promotion
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import AdvanceRollout, Follows, Next, PromoteModel
from tidegate.service.context import ServiceContext
from tidegate.service.retry import look_again
from tidegate.service.steps.champion_change import ChampionChange
from tidegate.service.steps.model_delivery import ModelDelivery, NotJudged, Undeliverable, UnderWay

if TYPE_CHECKING:
    from tidegate.cloud.role_separation import RoleSeparation

log = Log(__name__)

_LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True)
class _Subject:
    """A version, with what its promotion is decided by."""

    command: PromoteModel
    policy: Policy
    promote: Promote
    record: ModelVersion
    model: Model


@dataclass(frozen=True, kw_only=True)
class PromoteModelHandler:
    """Claims the model's one place under its ETag, and lets go of it with the crown or before giving up."""

    context: ServiceContext
    separation: "RoleSeparation"
    delivery: ModelDelivery
    champion_change: ChampionChange

    def handle(self, command: PromoteModel) -> Follows:
        policy = self.context.policy(command.model)
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or policy is None or policy.promote is None:
            log.info("nothing_to_promote", model=command.model, version=command.version)
            return []
        if record.state is ModelState.PASSED and not policy.promotes:
            log.info("gate_only_observes", model=command.model, version=command.version)
            return []
        subject = _Subject(command, policy, policy.promote, record, self.context.ledger.model(command.model))
        if record.state is ModelState.CHALLENGER:
            return self._hand_over(subject)
        return self._step(subject)

    def _step(self, subject: _Subject) -> Follows:
        record, cause = subject.record, subject.command.cause
        step = decide_promotion(record, subject.model, subject.promote, self.context.now())
        match step:
            case StopPromotion(state, why):
                return self.champion_change.stop(record, state, why, cause)
            case JudgeAgain(why):
                log.info("judged_again", model=record.model, version=record.version, why=why)
                return self.champion_change.judge_again(record, why, cause)
            case AwaitOtherPromotion() | AwaitApproval():
                return self._wait(subject, step)
            case BeginPromotion() | ContinueCopy():
                if isinstance(step, BeginPromotion):
                    self._claim(subject)
                return self._deliver(subject)
            case InProduction():
                return self.champion_change.make_champion(record, cause)
        return []

    def _wait(self, subject: _Subject, step: AwaitOtherPromotion | AwaitApproval) -> Follows:
        if isinstance(step, AwaitApproval):
            return self._ask(subject.record, step.until, subject.command.cause)
        return self._await_turn(subject, step.version)

    def _await_turn(self, subject: _Subject, other: str) -> Follows:
        """One that left the way while it claimed its place holds it no longer."""
        model, holder = subject.model, self.context.ledger.model_version(subject.model.model, other)
        if holder and holder.state in IN_PROMOTION:
            return []
        model.rolling = None
        self.context.ledger.save(model)
        log.warning("place_freed", model=model.model, version=other)
        return [Next(subject.command)]

    def _ask(self, record: ModelVersion, until: datetime, cause: str) -> Follows:
        """The answer sends the command again, and so does the timer, which sees the time run out."""
        verdict_at = record.verdict.at if record.verdict else until
        told = self.context.announce(promotion_news.needs_approval(record, until, Trigger(verdict_at, cause)))
        if record.due != until:
            record.due = until
            self.context.ledger.save(record)
        return [told]

    def _claim(self, subject: _Subject) -> None:
        record, model = subject.record, subject.model
        self._refuse_write_access(subject.promote)
        if model.rolling != record.version:
            model.rolling = record.version
            self.context.ledger.save(model)
        record.state, record.due = ModelState.PROMOTING, None
        record.promotion = Promotion(via=subject.promote.via, begun_at=self.context.now())
        self.context.ledger.save(record)

    def _refuse_write_access(self, promote: Promote) -> None:
        places, registries = self.context.config().workspaces, self.delivery.registries(promote)
        found = self.separation.principals_with_write_access(
            places.development.arm_id, places.production.arm_id, registries
        )
        if found:
            raise PermanentError(
                f"nothing is promoted while those who train can write to production: {'; '.join(found[:5])}. "
                "Take these roles away (docs/models.md); then it goes on by itself"
            )

    def _deliver(self, subject: _Subject) -> Follows:
        record, command = subject.record, subject.command
        promotion = record.promotion or Promotion(via=subject.promote.via, begun_at=self.context.now())
        before = promotion.model_copy()
        delivery = self.delivery.deliver(record, promotion, subject.promote)
        match delivery:
            case Undeliverable(why):
                return self.champion_change.stop(record, ModelState.FAILED, why, command.cause)
            case NotJudged():
                log.warning("files_changed", model=record.model, version=record.version)
                return self.champion_change.judge_again(record, OTHER_FILES, command.cause)
            case UnderWay(more):
                if promotion != before:
                    self.context.ledger.save(record)
                if more:
                    return [Next(command)]
                return look_again(command, self.context.now() - promotion.begun_at, _LONGEST_PAUSE)
        promotion.production_version, promotion.ended_at = record.version, self.context.now()
        record.promotion, record.state = promotion, ModelState.CHALLENGER
        self.context.ledger.save(record)
        log.info("version_in_production", model=record.model, version=record.version, bytes=promotion.bytes)
        return self._hand_over(subject)

    def _hand_over(self, subject: _Subject) -> Follows:
        command = subject.command
        if subject.policy.rollout:
            advance = AdvanceRollout(cause=command.cause, model=command.model, version=command.version)
            return [Next(advance)]
        return self.champion_change.make_champion(subject.record, command.cause)
