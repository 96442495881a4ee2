"""Timer schedules: NCRONTAB expressions and time spans. All times are UTC."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from croniter import croniter

from tidepool.functions.settings import seconds

NextOccurrence = Callable[[datetime], datetime]

_SPAN = re.compile(r"(?:\d+\.)?\d+:\d+:\d+")


def parse(expression: str) -> NextOccurrence:
    """Return a function that gives the first occurrence after a time.

    `expression` has six fields (seconds first), five fields, or is a time span. Day of month and day of week
    must both match, as in NCRONTAB; in cron one of the two is enough. Raise ValueError if the expression is
    invalid.
    """
    if _SPAN.fullmatch(expression):
        span = timedelta(seconds=seconds(expression))
        if not span:
            raise ValueError(f"the schedule {expression!r} is a time span of 0 seconds")
        return lambda after: after + span
    fields = expression.split()
    if len(fields) not in (5, 6):
        raise ValueError(
            f"the schedule {expression!r} has {len(fields)} fields; it must have six: "
            "second minute hour day month day-of-week"
        )
    cron = " ".join(fields if len(fields) == 6 else ["0", *fields])
    if not croniter.is_valid(cron, second_at_beginning=True):
        raise ValueError(f"the schedule {expression!r} is not a valid NCRONTAB expression")

    def following(after: datetime) -> datetime:
        occurrences = croniter(cron, after, day_or=False, second_at_beginning=True)
        occurrence: datetime = occurrences.get_next(datetime)
        return occurrence

    return following
