"""Months of a feed: their folders, their deadlines, and when the timer lists them."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.schema import Deadline
from tidegate.domain.partitions.records import Month

_DAY = timedelta(days=1)
_RECENT_MONTHS = 3  # this one and the last two


def prefix_of(pattern: str, month: str) -> str:
    """The folder of a month: `{yyyy}/{MM}/` -> `2026/11/`."""
    return pattern.replace("{yyyy}", month[:4]).replace("{MM}", month[4:])


def deadline_of(deadline: Deadline, month: str, timezone: ZoneInfo) -> datetime:
    year, number = int(month[:4]), int(month[4:])
    if deadline.of == "next_month":
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)
    return datetime.combine(
        datetime(year, number, deadline.day), time.fromisoformat(deadline.at), tzinfo=timezone
    )


def expected_months(starts: str, now: datetime, timezone: ZoneInfo) -> Iterator[str]:
    """Every month from the feed's first to the one that it is now, there."""
    year, number = int(starts[:4]), int(starts[4:])
    last = f"{now.astimezone(timezone):%Y%m}"
    while (month := f"{year:04}{number:02}") <= last:
        yield month
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)


def needs_look(record: Month, now: datetime, timezone: ZoneInfo) -> bool:
    """Whether the timer should have a month's files listed, with no event asking for it.

    Unfinished months each time, and those whose due check has not come; finished and long past ones once a
    day, for files whose events were lost.
    """
    if record.check_due is not None and record.check_due <= now:
        return True
    recent = record.month >= _months_back(now.astimezone(timezone), _RECENT_MONTHS - 1)
    unfinished = record.latest is None or not record.latest.registered or not record.latest.generations
    if recent and unfinished:
        return True
    return (recent or unfinished) and (record.listed_at is None or now - record.listed_at >= _DAY)


def _months_back(now: datetime, count: int) -> str:
    months = now.year * 12 + now.month - 1 - count
    return f"{months // 12:04}{months % 12 + 1:02}"
