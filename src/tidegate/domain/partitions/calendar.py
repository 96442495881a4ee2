"""The calendar of a feed: its partitions, their deadlines, and when the timer lists their files.

A partition is a calendar month (`202611`) or a calendar day (`20261105`) in the time zone of tidegate.yml.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.arrival import Deadline
from tidegate.config.path_pattern import PathPattern
from tidegate.domain.partitions.records import Partition
from tidegate.messages.partition_id import Period, first_day, period_of

_DAY = timedelta(days=1)
_RECENT = {"month": timedelta(days=62), "day": timedelta(days=7)}


def partition_at(day: date, period: Period) -> str:
    """Return the partition that a day is in."""
    return f"{day:%Y%m%d}" if period == "day" else f"{day:%Y%m}"


def partition_of(pattern: PathPattern, path: str) -> str | None:
    """Return the partition in whose folder a path is, or None if it is in none of the calendar."""
    digits = (pattern.split(path) or ("", ""))[0]
    try:
        return digits if digits and first_day(digits) else None
    except ValueError:
        return None


def current_partition(period: Period, now: datetime, timezone: ZoneInfo) -> str:
    """Return the partition that the calendar of a time zone has now."""
    return partition_at(now.astimezone(timezone).date(), period)


def next_partition(partition: str) -> str:
    """Return the month or the day that follows."""
    start = first_day(partition)
    following = start + _DAY if period_of(partition) == "day" else start.replace(day=28) + 4 * _DAY
    return partition_at(following, period_of(partition))


def partition_before(partition: str, count: int) -> str:
    """Return the partition that is so many months or days earlier."""
    start, period = first_day(partition), period_of(partition)
    if period == "day":
        return partition_at(start - timedelta(count), period)
    year, month = divmod(start.year * 12 + start.month - 1 - count, 12)
    return partition_at(date(year, month + 1, 1), period)


def expected_partitions(starts: str, now: datetime, timezone: ZoneInfo) -> Iterator[str]:
    """Yield every partition from the feed's first one to the present one in its time zone."""
    last = current_partition(period_of(starts), now, timezone)
    partition = starts
    while partition <= last:
        yield partition
        partition = next_partition(partition)


def deadline_of(deadline: Deadline, partition: str, timezone: ZoneInfo) -> datetime:
    """Return the time until which a partition should be complete."""
    follows = deadline.of in (None, "next_month", "next_day")
    day = first_day(next_partition(partition) if follows else partition)
    return local_time(day.replace(day=deadline.day or day.day), deadline.at, timezone)


def local_time(day: date, clock: str, timezone: ZoneInfo) -> datetime:
    """Return a time of day as an instant, also on a day when the clocks change.

    A time that does not exist on that day counts with the offset before the change: 02:30 becomes 03:30. Of a
    time that exists twice, the first counts.
    """
    local = datetime.combine(day, time.fromisoformat(clock), tzinfo=timezone)
    return local.astimezone(UTC).astimezone(timezone)


def needs_look(record: Partition, now: datetime, timezone: ZoneInfo) -> bool:
    """Return whether the timer should list a partition's files without an event that asks for it.

    An event may have been lost. Partitions whose delayed check is overdue, and recent unfinished ones, are
    listed at each tick. All others are listed once a day, and rarer the farther they are from the present:
    one that ended 300 days ago, or that begins in 300 days, is listed every ten days.
    """
    if record.listed_at is None or (record.check_due is not None and record.check_due <= now):
        return True
    latest = record.latest
    is_unscored = latest is not None and not latest.generations and not latest.before_installation
    is_unscored |= latest is not None and latest.superseded
    unfinished = latest is None or not latest.registered or is_unscored
    distance = _distance(record.partition, now.astimezone(timezone).date())
    if unfinished and distance <= _RECENT[period_of(record.partition)]:
        return True
    return now - record.listed_at >= max(_DAY, distance / 30)


def _distance(partition: str, today: date) -> timedelta:
    """Return how far a partition is from a day: zero if the day is in it."""
    begin, end = first_day(partition), first_day(next_partition(partition)) - _DAY
    return max(begin - today, today - end, timedelta())
