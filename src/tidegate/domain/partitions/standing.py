"""Where a partition stands: one state for people, and whether a person has to act."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from tidegate.config.schema import Feed
from tidegate.domain.partitions.calendar import (
    current_partition,
    deadline_of,
    expected_partitions,
    partition_before,
)
from tidegate.domain.partitions.catch_up import FeedRecord, is_held_back, was_due_before
from tidegate.domain.partitions.records import Generation, Partition, ScoringState
from tidegate.messages.partition_id import period_of


class Standing(StrEnum):
    """The state of a partition, as people read it."""

    EXPECTED = "expected"  # no file yet, and none is overdue
    MISSING = "missing"  # its period is over, and no file has arrived
    ARRIVING = "arriving"
    COMPLETE = "complete"
    NOT_SCORED = "not_scored"  # it was there before the feed was installed
    SCORING = "scoring"
    SCORED = "scored"
    INCOMPLETE = "incomplete"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDED = {
    ScoringState.SCORED: Standing.SCORED,
    ScoringState.INCOMPLETE: Standing.INCOMPLETE,
    ScoringState.SUPERSEDED: Standing.SUPERSEDED,
    ScoringState.FAILED: Standing.FAILED,
    ScoringState.CANCELLED: Standing.CANCELLED,
}
FAILED = frozenset({Standing.FAILED, Standing.INCOMPLETE})


@dataclass(frozen=True)
class PartitionStanding:
    """Where a partition stands. `result` is what is published, also if a newer scoring failed."""

    feed: str
    partition: str
    state: Standing
    late: bool = False
    result: str | None = None
    message: str | None = None
    since: datetime | None = None

    @property
    def failed(self) -> bool:
        return self.state in FAILED

    @property
    def missing(self) -> bool:
        return self.state is Standing.MISSING


@dataclass(frozen=True)
class FeedCalendar:
    """A feed with its record, the present time, and the time zone of its calendar."""

    name: str
    feed: Feed
    installed: FeedRecord | None
    now: datetime
    timezone: ZoneInfo

    @property
    def present(self) -> str:
        """Return the partition of the present time."""
        return current_partition(period_of(self.feed.starts), self.now, self.timezone)

    def expected(self) -> list[str]:
        """Return the partitions from the feed's first one to the present one, oldest first."""
        return list(expected_partitions(self.feed.starts, self.now, self.timezone))

    def newest_expected(self, count: int) -> list[str]:
        """Return the newest expected partitions, oldest first, without a look at all of them."""
        first = max(self.feed.starts, partition_before(self.present, count - 1))
        return list(expected_partitions(first, self.now, self.timezone))

    def standing(self, partition: str, record: Partition | None) -> PartitionStanding:
        """Return where a partition stands. `record` is None if no file of it was ever listed."""
        record = record or Partition(feed=self.name, partition=partition)
        newest = newest_generation(record)
        return PartitionStanding(
            feed=self.name,
            partition=partition,
            state=self._state(record, newest),
            late=self._late(record),
            result=record.result,
            message=newest.error if newest else None,
            since=(newest.ended_at or newest.claimed_at) if newest else record.arriving_since,
        )

    def _state(self, record: Partition, newest: Generation | None) -> Standing:
        if newest:
            return _ENDED.get(newest.state, Standing.SCORING)
        if record.latest:
            return Standing.NOT_SCORED if is_held_back(self.feed, record) else Standing.COMPLETE
        if record.listed_files or record.arriving_since:
            return Standing.ARRIVING
        over = record.partition < current_partition(period_of(record.partition), self.now, self.timezone)
        return Standing.MISSING if over and self.feed.covers(record.partition) else Standing.EXPECTED

    def _late(self, record: Partition) -> bool:
        """Return whether people were told that the partition is late, and it has no result still."""
        if not record.deadline_announced or record.result or is_held_back(self.feed, record):
            return False
        rule = self.feed.deadline
        deadline = deadline_of(rule, record.partition, self.timezone) if rule else None
        return self.installed is None or not was_due_before(self.installed, record, deadline)


def newest_generation(record: Partition) -> Generation | None:
    """Return the newest scoring of the latest version, or None if there is none."""
    latest = record.latest
    return latest.generations[-1] if latest and latest.generations else None


def may_need_attention(record: Partition) -> bool:
    """Return whether a partition may be failed or late. The ledger stores it, to find these partitions."""
    newest = newest_generation(record)
    failed = newest is not None and _ENDED.get(newest.state) in FAILED
    return failed or (record.deadline_announced and record.result is None)


def standings(
    calendar: FeedCalendar, records: Mapping[str, Partition], partitions: list[str]
) -> Iterator[PartitionStanding]:
    """Yield where each of these partitions of a feed stands."""
    for partition in partitions:
        yield calendar.standing(partition, records.get(partition))
