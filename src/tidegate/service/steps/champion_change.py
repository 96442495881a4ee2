"""Who is champion, and how versions leave the way there: the model's row first, then theirs."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.domain.activities import promotion_texts as promotion_news
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.promotion import (
    OTHER_CHAMPION,
    champion_source,
    rolled_back,
    verdict_is_current,
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


@dataclass(frozen=True, kw_only=True)
class ChampionChange:
    """Each of these may be killed anywhere and repeated. ConflictError: somebody was quicker, look again."""

    context: ServiceContext

    def make_champion(self, record: ModelVersion, cause: str) -> Follows:
        """Make a version that is in production the champion; judge it again where it beat another one."""
        model = self.context.ledger.model(record.model)
        if champion_source(model) != record.version and not (
            record.verdict and verdict_is_current(record.verdict, model)
        ):
            return self.judge_again(record, OTHER_CHAMPION, cause)
        after = with_champion(model, record, self.context.now())
        if after is not model:
            self.context.ledger.save(after)
        told = self.context.announce(promotion_news.promoted(after, cause))
        self._settle(after, ModelState.RETIRED)
        log.info("champion_crowned", model=record.model, version=record.version)
        return [told, *self._next_in_line(record, cause)]

    def roll_back(self, command: RollbackModel) -> Follows:
        """Make the previous champion the champion again."""
        model, champion = self.context.ledger.model(command.model), None
        if source := champion_source(model):
            champion = self.context.ledger.model_version(command.model, source)
        after = rolled_back(model, command, self.context.now(), unrestored=unrestored(champion))
        if after is None:
            before = f"{command.model}:{command.to} is not what was champion before {command.champion}"
            raise PermanentError(
                f"{before}, or that is champion no longer: see tidegate model {command.model}"
            )
        if after is not model:
            self.context.ledger.save(after)
        told = self.context.announce(promotion_news.rolled_back(after, command.cause))
        self._settle(after, ModelState.ROLLED_BACK)
        log.info("champion_rolled_back", model=command.model, to=command.to)
        return [told]

    def judge_again(self, record: ModelVersion, why: str, cause: str) -> Follows:
        """Verdict and approval are void."""
        self._release(record)
        self.context.ledger.save(without_verdict(record, why, self.context.now()))
        judge = JudgeModel(cause=cause, model=record.model, version=record.version)
        return [Next(judge), *self._next_in_line(record, cause)]

    def stop(self, record: ModelVersion, state: ModelState, why: str, cause: str) -> Follows:
        """A version goes no further, and people hear of it: refused, expired, failed."""
        self._release(record)
        record.state = state
        told = self.context.announce(
            promotion_news.promotion_stopped(record, why, Trigger(self.context.now(), cause))
        )
        return [told, *self._leave(record, why, cause)]

    def withdraw(self, record: ModelVersion, why: str, cause: str) -> Follows:
        """Its rollout failed, of which people have heard when traffic went back."""
        self._release(record)
        record.state = ModelState.ROLLED_BACK
        return self._leave(record, why, cause)

    def _leave(self, record: ModelVersion, why: str, cause: str) -> Follows:
        record.error, record.due = why, None
        self.context.ledger.save(record)
        state = record.state.value
        log.info("version_stopped", model=record.model, version=record.version, state=state, why=why)
        return list(self._next_in_line(record, cause))

    def _release(self, record: ModelVersion) -> None:
        """First of all: a version that has left the way would hold its place forever."""
        model = self.context.ledger.model(record.model)
        if model.rolling == record.version:
            self.context.ledger.save(without_claim(model, record))

    def _settle(self, model: Model, displaced: ModelState) -> None:
        """Each version's row says what the model's row says; the champion's last."""
        source = champion_source(model)
        versions = self.context.ledger.model_versions(model.model, open_only=False)
        for record in sorted(versions, key=lambda one: one.version == source):
            wanted = ModelState.CHAMPION if record.version == source else displaced
            if record.state is not wanted and (
                record.version == source or record.state is ModelState.CHAMPION
            ):
                record.state, record.due = wanted, None
                self.context.ledger.save(record)

    def _next_in_line(self, record: ModelVersion, cause: str) -> Iterator[Next]:
        """Versions that waited for their turn."""
        for other in self.context.ledger.model_versions(record.model):
            if other.state is ModelState.PASSED and other.version != record.version:
                yield Next(PromoteModel(cause=cause, model=other.model, version=other.version))
