"""When a timer is due: NCRONTAB expressions and time spans. Pure; times are UTC."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from croniter import croniter

from tidepool.functions.settings import seconds

Next = Callable[[datetime], datetime]

_SPAN = re.compile(r"(?:\d+\.)?\d+:\d+:\d+")


def parse(expression: str) -> Next:
    """From six fields (seconds first), five fields or a time span; ValueError says what is wrong.

    The answer gives the first occurrence after a moment. Day of month and day of week must both match,
    as NCRONTAB has it (cron itself takes either).
    """
    if _SPAN.fullmatch(expression):
        span = timedelta(seconds=seconds(expression))
        if not span:
            raise ValueError(f"the schedule {expression!r} never moves on")
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
        found: datetime = occurrences.get_next(datetime)
        return found

    return following
