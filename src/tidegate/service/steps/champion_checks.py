"""The checks of a champion with a new image decoder: partitions wait for them before they are scored."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.activities import champion_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.decoder_check import (
    LONGEST_WAIT,
    AwaitCheck,
    BeginCheck,
    ScoreNow,
    StopWaiting,
    decide_check,
    with_check,
)
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.errors import NotFoundError
from tidegate.log import Log
from tidegate.messages.commands import FROM_TIMER, Follows, JudgeModel, Next, ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.retry import look_again

log = Log(__name__)


@dataclass(frozen=True)
class ChampionChecks:
    """A check is recorded with the champion's version before JudgeModel is sent, and has a time limit."""

    context: ServiceContext

    def hold(self, feed: Feed, command: ScorePartition) -> Follows | None:
        """Return what to do before a partition is scored, or None if it is scored now.

        After the evaluation has begun, only the timer's command sends JudgeModel again, in case one got lost.
        """
        if self._awaits_first_set(feed):
            log.info("first_champion_awaited", feed=command.feed, model=feed.score.model)
            return []  # the timer sends the command again
        record = self._champion(feed)
        return self._hold_for_check(feed, command, record) if record else None

    def _hold_for_check(self, feed: Feed, command: ScorePartition, record: ModelVersion) -> Follows | None:
        """Return what to do before the champion scores a partition, or None if it scores it now."""
        try:
            pipeline = self.context.workspace_of(feed).assets.newest_pipeline(feed.score.pipeline_name)
        except NotFoundError:  # the submission says so
            return None
        now, cause = self.context.now(), command.cause
        match decide_check(record, pipeline.decoder, now):
            case ScoreNow():
                return None
            case StopWaiting(check):
                check = check.model_copy(update={"not_awaited": True})
                late = champion_texts.champion_not_judged(record, check, LONGEST_WAIT, Trigger(now, cause))
                announced = self.context.announce(late)
                self.context.ledger.save(with_check(record, check))
                return [announced, Next(command)]
            case BeginCheck(check):
                self.context.ledger.save(with_check(record, check))
                log.info("champion_judged_again", version=record.version, decoder=check.decoder)
            case AwaitCheck(check):
                pass
        looks = look_again(command, now - check.since)
        if check.evaluation and not cause.startswith(FROM_TIMER):
            return looks
        return [Next(JudgeModel(cause=cause, model=record.model, version=record.version)), *looks]

    def _awaits_first_set(self, feed: Feed) -> bool:
        """Return whether a feed is scored by a model set that has no champion yet.

        A set is trained on the feed's own partitions, so the first of them always come before it.
        """
        name, _, pinned = feed.score.model.partition(":")
        policy = self.context.policy(name)
        if pinned or policy is None or not (policy.set and policy.promotes):
            return False
        return self.context.ledger.model(name).champion is None

    def obstacle(self, feed: Feed, decoder: str | None) -> str | None:
        """Return why partitions of a feed wait for a check, or None if they are scored. Change nothing.

        `decoder` is that of the feed's pipeline.
        """
        if self._awaits_first_set(feed):
            return f"{feed.score.model} has no champion yet: the first one is trained on complete partitions"
        record = self._champion(feed)
        decision = decide_check(record, decoder, self.context.now()) if record else ScoreNow()
        if record is None or isinstance(decision, ScoreNow | StopWaiting):
            return None
        return f"champion {record.model}:{record.version} is first judged with image decoder {decoder}"

    def _champion(self, feed: Feed) -> ModelVersion | None:
        """Return the champion that scores a feed, or None if it is not scored by a champion.

        A pinned version, and a model whose policy promotes nothing, are used as they are.
        """
        name, _, pinned = feed.score.model.partition(":")
        policy = self.context.policy(name)
        if pinned or policy is None or not policy.promotes:
            return None
        champion = self.context.ledger.model(name).champion
        record = self.context.ledger.model_version(name, champion.source) if champion else None
        return record if record and record.state is ModelState.CHAMPION else None
