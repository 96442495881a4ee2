"""Changes of the champion: promotion, rollback, and versions that leave the promotion or rollout."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.domain.activities import promotion_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.promotion import (
    OTHER_CHAMPION,
    champion_source,
    is_compared_with_champion,
    rolled_back,
    with_champion,
    without_claim,
)
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import without_verdict
from tidegate.domain.lifecycle.rollout_progress import unrestored
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, PromoteModel, RollbackModel
from tidegate.service.context import ServiceContext

log = Log(__name__)


@dataclass(frozen=True)
class ChampionChange:
    """Changes of the champion. The model's row is saved first, and the rows of its versions follow it.

    Each change can be repeated after a crash at any point, and raises ConflictError if the model's row was
    changed by another writer.
    """

    context: ServiceContext

    def make_champion(self, record: ModelVersion, cause: str) -> Follows:
        """Make a version the champion, or judge it again if it was compared with another champion."""
        model = self.context.ledger.model(record.model)
        if not is_compared_with_champion(record, model):
            return self.judge_again(record, OTHER_CHAMPION, cause)
        changed = with_champion(model, record, self.context.now())
        if changed is not model:
            self.context.ledger.save(changed)
        announced = self.context.announce(promotion_texts.promoted(changed, cause))
        self._update_versions(changed, ModelState.RETIRED)
        log.info("champion_changed", model=record.model, version=record.version)
        return [announced, *self._waiting_promotions(record, cause)]

    def roll_back(self, command: RollbackModel) -> Follows:
        """Make the previous champion the champion again."""
        model, champion = self.context.ledger.model(command.model), None
        if source := champion_source(model):
            champion = self.context.ledger.model_version(command.model, source)
        changed = rolled_back(model, command, self.context.now(), unrestored=unrestored(champion))
        if changed is None:
            raise PermanentError(
                f"{command.model}:{command.to} was not champion before {command.champion}, or "
                f"{command.champion} is not champion any more: see tidegate model {command.model}"
            )
        if changed is not model:
            self.context.ledger.save(changed)
        announced = self.context.announce(promotion_texts.rolled_back(changed, command.cause))
        self._update_versions(changed, ModelState.ROLLED_BACK)
        log.info("champion_rolled_back", model=command.model, to=command.to)
        return [announced]

    def judge_again(self, record: ModelVersion, why: str, cause: str) -> Follows:
        """Make the verdict and its approval void, and return the command that judges the version again."""
        self._release_claim(record)
        self.context.ledger.save(without_verdict(record, why, self.context.now()))
        judge = JudgeModel(cause=cause, model=record.model, version=record.version)
        return [Next(judge), *self._waiting_promotions(record, cause)]

    def stop(self, record: ModelVersion, state: ModelState, why: str, cause: str) -> Follows:
        """End a promotion that was refused, has expired or has failed, and announce it."""
        self._release_claim(record)
        record.state = state
        activity = promotion_texts.promotion_stopped(record, why, Trigger(self.context.now(), cause))
        announced = self.context.announce(activity)
        return [announced, *self._end(record, why, cause)]

    def withdraw(self, record: ModelVersion, why: str, cause: str) -> Follows:
        """Set the final state of a version whose rollout failed. The failure was announced before."""
        self._release_claim(record)
        record.state = ModelState.ROLLED_BACK
        return self._end(record, why, cause)

    def _end(self, record: ModelVersion, why: str, cause: str) -> Follows:
        record.error, record.due = why, None
        self.context.ledger.save(record)
        state = record.state.value
        log.info("version_stopped", model=record.model, version=record.version, state=state, why=why)
        return list(self._waiting_promotions(record, cause))

    def _release_claim(self, record: ModelVersion) -> None:
        """Release the version's claim first of all, because a crash could leave the model claimed forever."""
        model = self.context.ledger.model(record.model)
        if model.rolling == record.version:
            self.context.ledger.save(without_claim(model, record))

    def _update_versions(self, model: Model, former: ModelState) -> None:
        """Update the state in the versions' rows: the former champion first, then the champion."""
        source = champion_source(model)
        versions = self.context.ledger.model_versions(model.model, open_only=False)
        for record in sorted(versions, key=lambda version: version.version == source):
            is_champion = record.version == source
            state = ModelState.CHAMPION if is_champion else former
            if record.state is not state and (is_champion or record.state is ModelState.CHAMPION):
                record.state, record.due = state, None
                self.context.ledger.save(record)

    def _waiting_promotions(self, record: ModelVersion, cause: str) -> Iterator[Next]:
        """Yield the commands that promote other versions which wait for this one."""
        for other in self.context.ledger.model_versions(record.model):
            if other.state is ModelState.PASSED and other.version != record.version:
                yield Next(PromoteModel(cause=cause, model=other.model, version=other.version))
