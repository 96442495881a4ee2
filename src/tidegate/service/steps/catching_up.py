"""Catch up with a feed: give versions their turn, so that only some of its jobs run at a time."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.partitions.catch_up import decide_turns
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Partition
from tidegate.log import Log
from tidegate.messages.commands import ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.retry import retry_on_conflict
from tidegate.service.steps.feed_records import FeedRecords

log = Log(__name__)


@dataclass(frozen=True)
class CatchingUp:
    """A version gets a turn before its generation is claimed. The ETag of the feed's record decides races."""

    context: ServiceContext
    feeds: FeedRecords

    def take_turn(self, feed: Feed, record: Partition) -> bool:
        """Return whether the latest version of a partition may start its job now."""
        turns = retry_on_conflict(lambda: self._save_turns(record.feed, feed), record.feed)
        has_turn = version_name(record.partition, len(record.versions)) in turns
        if not has_turn:
            log.info("turn_awaited", feed=record.feed, partition=record.partition, turns=", ".join(turns))
        return has_turn

    def due_scorings(self, name: str, cause: str) -> list[ScorePartition]:
        """Return the commands of the versions whose turn it is and that have no generation yet."""
        feed, record = self.context.feed(name), self.feeds.first_seen(name)
        records = self.context.ledger.partitions(name)
        turns = decide_turns(feed, record.turns, records)
        return [
            ScorePartition(cause=cause, feed=name, partition=partition.partition, version=version.number)
            for partition in records
            if (version := partition.latest) and not version.generations
            if version_name(partition.partition, version.number) in turns
        ]

    def _save_turns(self, name: str, feed: Feed) -> list[str]:
        """Save and return the present turns. The feed's record is read before those of its partitions."""
        record = self.feeds.first_seen(name)
        turns = decide_turns(feed, record.turns, self.context.ledger.partitions(name))
        if turns != record.turns:
            record.turns = turns
            self.context.ledger.save(record)
        return turns
