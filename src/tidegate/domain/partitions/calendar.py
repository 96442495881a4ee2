"""The partitions of a feed: their folders, their deadlines, and when the timer lists their files."""

import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.schema import Deadline
from tidegate.domain.partitions.records import Partition

_DAY = timedelta(days=1)
_RECENT_MONTHS = 3  # the current partition and the two before it


def prefix_of(pattern: str, partition: str) -> str:
    """Return the folder of a partition: `{yyyy}/{MM}/` gives `2026/11/`."""
    return pattern.replace("{yyyy}", partition[:4]).replace("{MM}", partition[4:])


def partition_of(pattern: str, path: str) -> str | None:
    """Return the partition in whose folder a path is, or None if it is in none."""
    folder = re.escape(pattern).replace(r"\{yyyy\}", "([0-9]{4})").replace(r"\{MM\}", "(0[1-9]|1[0-2])")
    match = re.match(folder, path)
    return "".join(match.groups()) if match else None


def current_partition(now: datetime, timezone: ZoneInfo) -> str:
    """Return the partition that the calendar of a time zone has now."""
    return f"{now.astimezone(timezone):%Y%m}"


def deadline_of(deadline: Deadline, partition: str, timezone: ZoneInfo) -> datetime:
    """Return the time until which a partition should be complete."""
    year, number = int(partition[:4]), int(partition[4:])
    if deadline.of == "next_month":
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)
    return datetime.combine(
        datetime(year, number, deadline.day), time.fromisoformat(deadline.at), tzinfo=timezone
    )


def expected_partitions(starts: str, now: datetime, timezone: ZoneInfo) -> Iterator[str]:
    """Yield every partition from the feed's first to the current one in its time zone."""
    year, number = int(starts[:4]), int(starts[4:])
    last = current_partition(now, timezone)
    while (partition := f"{year:04}{number:02}") <= last:
        yield partition
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)


def needs_look(record: Partition, now: datetime, timezone: ZoneInfo) -> bool:
    """Return whether the timer should list a partition's files without an event that asks for it.

    Recent unfinished partitions, and partitions whose delayed check is overdue, are listed at each tick.
    Recent finished partitions and old unfinished ones are listed once a day, because an event may have been
    lost.
    """
    if record.check_due is not None and record.check_due <= now:
        return True
    recent = record.partition >= _months_back(now.astimezone(timezone), _RECENT_MONTHS - 1)
    latest = record.latest
    is_unscored = latest is not None and not latest.generations and not latest.before_installation
    unfinished = latest is None or not latest.registered or is_unscored
    if recent and unfinished:
        return True
    return (recent or unfinished) and (record.listed_at is None or now - record.listed_at >= _DAY)


def _months_back(now: datetime, count: int) -> str:
    partitions = now.year * 12 + now.month - 1 - count
    return f"{partitions // 12:04}{partitions % 12 + 1:02}"
