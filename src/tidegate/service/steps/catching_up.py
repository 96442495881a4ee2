"""Catch up with a feed: give versions their turn, so that only some of its jobs run at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.partitions.catch_up import FeedRecord, decide_turns, turn_of
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Partition
from tidegate.log import Log
from tidegate.messages.commands import ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.retry import retry_on_conflict
from tidegate.service.steps.feed_records import FeedRecords

log = Log(__name__)


@dataclass(frozen=True)
class CatchingUp:
    """A version gets a turn before its generation is claimed, and a re-run before its job is submitted.

    The ETag of the feed's record decides races.
    """

    context: ServiceContext
    feeds: FeedRecords

    def take_turn(self, feed: Feed, record: Partition) -> bool:
        """Return whether the latest version of a partition may start its job now."""
        return self._has_turn(feed, record, version_name(record.partition, len(record.versions)))

    def may_submit(self, feed: Feed, claim: Claim) -> bool:
        """Return whether the job of a claimed generation may be submitted now.

        Only the first attempt waits for its turn: the next ones belong to a job that runs.
        """
        return not claim.awaits_submission or self._has_turn(feed, claim.record, turn_of(claim))

    def due_scorings(self, name: str, cause: str) -> list[ScorePartition]:
        """Return the commands of the versions and re-runs whose turn it is and that have no job yet."""
        record = self.feeds.first_seen(name)
        return self.scorings_in_turn(record, self.context.ledger.partitions(name), cause)

    def scorings_in_turn(
        self, record: FeedRecord, records: Sequence[Partition], cause: str
    ) -> list[ScorePartition]:
        """Return the commands of the versions and re-runs of a feed, whose record was read before theirs.

        Re-runs that have had their turn before are left out: their command is on its way, or the timer sends
        it.
        """
        name, feed = record.feed, self.context.feed(record.feed)
        turns = decide_turns(feed, record.turns, records)
        requested = [
            ScorePartition(cause=cause, **claim.ids)
            for partition in records
            for claim in partition.claims
            if claim.awaits_submission and turn_of(claim) in set(turns) - set(record.turns)
        ]
        return requested + [
            ScorePartition(cause=cause, feed=name, partition=partition.partition, version=version.number)
            for partition in records
            if (version := partition.latest) and not version.generations
            if version_name(partition.partition, version.number) in turns
        ]

    def _has_turn(self, feed: Feed, record: Partition, turn: str) -> bool:
        turns = retry_on_conflict(lambda: self._save_turns(record.feed, feed), record.feed)
        if turn not in turns:
            log.info("turn_awaited", feed=record.feed, turn=turn, turns=", ".join(turns))
        return turn in turns

    def _save_turns(self, name: str, feed: Feed) -> list[str]:
        """Save and return the present turns. The feed's record is read before those of its partitions."""
        record = self.feeds.first_seen(name)
        turns = decide_turns(feed, record.turns, self.context.ledger.partitions(name))
        if turns != record.turns:
            record.turns = turns
            self.context.ledger.save(record)
        return turns
