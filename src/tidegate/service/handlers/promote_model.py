"""PromoteModel: bring a version with a passing verdict into production."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.config.model_policy import Policy, Promote
from tidegate.domain.activities import promotion_texts
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
from tidegate.service.steps.model_delivery import (
    CopyInProgress,
    DeliveryFailed,
    FilesNotJudged,
    ModelDelivery,
)

if TYPE_CHECKING:
    from tidegate.cloud.role_separation import RoleSeparation

log = Log(__name__)

_LONGEST_DELAY = timedelta(minutes=5)


@dataclass(frozen=True)
class _Promotion:
    """A version with everything that the decisions about its promotion need."""

    command: PromoteModel
    policy: Policy
    promote: Promote
    record: ModelVersion
    model: Model


@dataclass(frozen=True)
class PromoteModelHandler:
    """A promotion claims the model under its ETag. The claim ends when the version is champion or failed."""

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
        model = self.context.ledger.model(command.model)
        promotion = _Promotion(command, policy, policy.promote, record, model)
        if record.state is ModelState.CHALLENGER:
            return self._roll_out(promotion)
        return self._act(promotion)

    def _act(self, promotion: _Promotion) -> Follows:
        record, cause = promotion.record, promotion.command.cause
        match decide_promotion(record, promotion.model, promotion.promote, self.context.now()):
            case StopPromotion(state, why):
                return self.champion_change.stop(record, state, why, cause)
            case JudgeAgain(why):
                log.info("judged_again", model=record.model, version=record.version, why=why)
                return self.champion_change.judge_again(record, why, cause)
            case AwaitApproval() | AwaitOtherPromotion() as wait:
                return self._wait(promotion, wait)
            case BeginPromotion() | ContinueCopy() as step:
                if isinstance(step, BeginPromotion):
                    self._claim(promotion)
                return self._deliver(promotion)
            case InProduction():
                return self.champion_change.make_champion(record, cause)
        return []

    def _wait(self, promotion: _Promotion, wait: AwaitApproval | AwaitOtherPromotion) -> Follows:
        if isinstance(wait, AwaitApproval):
            return self._await_approval(promotion.record, wait.until, promotion.command.cause)
        return self._await_other(promotion, wait.version)

    def _await_other(self, promotion: _Promotion, version: str) -> Follows:
        """Wait for another version's promotion.

        If that version's promotion has ended but still holds the claim, release the claim.
        """
        model = promotion.model
        other = self.context.ledger.model_version(model.model, version)
        if other and other.state in IN_PROMOTION:
            return []
        model.rolling = None
        self.context.ledger.save(model)
        log.warning("claim_released", model=model.model, version=version)
        return [Next(promotion.command)]

    def _await_approval(self, record: ModelVersion, until: datetime, cause: str) -> Follows:
        """Ask for an approval. The API sends this command again after the approval, as the timer does."""
        trigger = Trigger(record.verdict.at if record.verdict else until, cause)
        announced = self.context.announce(promotion_texts.needs_approval(record, until, trigger))
        if record.due != until:
            record.due = until
            self.context.ledger.save(record)
        return [announced]

    def _claim(self, promotion: _Promotion) -> None:
        record, model = promotion.record, promotion.model
        self._check_role_separation(promotion.promote)
        if model.rolling != record.version:
            model.rolling = record.version
            self.context.ledger.save(model)
        record.state, record.due = ModelState.PROMOTING, None
        record.promotion = self._begun(promotion)
        self.context.ledger.save(record)

    def _begun(self, promotion: _Promotion) -> Promotion:
        cause, now = promotion.command.cause, self.context.now()
        return Promotion(via=promotion.promote.via, cause=cause, begun_at=now)

    def _check_role_separation(self, promote: Promote) -> None:
        """Raise PermanentError if an identity that trains models can write to production."""
        workspaces, registries = self.context.config().workspaces, self.delivery.registries(promote)
        principals = self.separation.principals_with_write_access(
            workspaces.development.arm_id, workspaces.production.arm_id, registries
        )
        if principals:
            raise PermanentError(
                f"Nothing is promoted while identities that train can write to production: "
                f"{'; '.join(principals[:5])}. Remove these role assignments (see docs/models.md), "
                "then the promotion continues"
            )

    def _deliver(self, promotion: _Promotion) -> Follows:
        record, command = promotion.record, promotion.command
        progress = record.promotion or self._begun(promotion)
        before = progress.model_copy()
        match self.delivery.deliver(record, progress, promotion.promote):
            case DeliveryFailed(reason):
                return self.champion_change.stop(record, ModelState.FAILED, reason, command.cause)
            case FilesNotJudged():
                log.warning("files_changed", model=record.model, version=record.version)
                return self.champion_change.judge_again(record, OTHER_FILES, command.cause)
            case CopyInProgress(more):
                if progress != before:
                    self.context.ledger.save(record)
                if more:
                    return [Next(command)]
                stuck = self._announce_stuck(promotion, progress.begun_at)
                return [
                    *look_again(command, self.context.now() - progress.begun_at, _LONGEST_DELAY),
                    *stuck,
                ]
        progress.production_version, progress.ended_at = record.version, self.context.now()
        record.promotion, record.state = progress, ModelState.CHALLENGER
        self.context.ledger.save(record)
        log.info("version_in_production", model=record.model, version=record.version, bytes=progress.bytes)
        return self._roll_out(promotion)

    def _announce_stuck(self, promotion: _Promotion, since: datetime) -> Follows:
        """Notify people once if a promotion holds the model's only place for longer than the policy says."""
        record, now = promotion.record, self.context.now()
        if now - since < promotion.promote.announce_after:
            return []
        activity = promotion_texts.promotion_stuck(record, since, Trigger(now, promotion.command.cause))
        return [self.context.announce(activity)]

    def _roll_out(self, promotion: _Promotion) -> Follows:
        """Begin the rollout of a version in production. Without a rollout it becomes champion at once."""
        command, copy = promotion.command, promotion.record.promotion
        if promotion.policy.endpoint_rollout:
            advance = AdvanceRollout(cause=command.cause, model=command.model, version=command.version)
            waits = promotion.record.rollout is None and copy is not None and copy.ended_at
            return [Next(advance), *(self._announce_stuck(promotion, waits) if waits else ())]
        return self.champion_change.make_champion(promotion.record, command.cause)
