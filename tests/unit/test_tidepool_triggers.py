"""When the triggers of schedules fire."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tidepool.errors import AzureError
from tidepool.jobs.triggers import check_trigger, next_occurrence

CREATED = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)


def fires(trigger: dict[str, Any], count: int = 3) -> list[str]:
    """Return when a trigger fires, from its creation on."""
    times: list[str] = []
    after = datetime(2026, 1, 1, tzinfo=UTC)
    while len(times) < count and (following := next_occurrence(trigger, CREATED, after)):
        times.append(f"{following:%m-%d %H:%M:%S}")
        after = following
    return times


def cron(expression: str, **more: str) -> dict[str, Any]:
    return {"triggerType": "Cron", "expression": expression, "startTime": "2026-03-01T09:30:15", **more}


def every(interval: int, frequency: str, **more: Any) -> dict[str, Any]:
    start = {"startTime": "2026-03-01T09:30:15"}
    return {"triggerType": "Recurrence", "interval": interval, "frequency": frequency, **start, **more}


@pytest.mark.parametrize(
    ("trigger", "times"),
    [
        (cron("0 * * * *"), ["03-01 10:00:00", "03-01 11:00:00", "03-01 12:00:00"]),
        (cron("0 3 1 * *"), ["04-01 03:00:00", "05-01 03:00:00", "06-01 03:00:00"]),
        (
            cron("0 0 * * *", timeZone="Tokyo Standard Time"),
            ["03-01 15:00:00", "03-02 15:00:00", "03-03 15:00:00"],
        ),
        # clocks in California go forward on 8 March 2026
        (
            cron("0 12 * * *", startTime="2026-03-07T00:00:00", timeZone="Pacific Standard Time"),
            ["03-07 20:00:00", "03-08 19:00:00", "03-09 19:00:00"],
        ),
        (cron("0 * * * *", endTime="2026-03-01T11:00:00"), ["03-01 10:00:00", "03-01 11:00:00"]),
        (every(4, "Hour"), ["03-01 09:30:15", "03-01 13:30:15", "03-01 17:30:15"]),
        (every(1, "Month"), ["03-01 09:30:15", "04-01 09:30:15", "05-01 09:30:15"]),
        (
            every(1, "Day", schedule={"hours": [4, 10], "minutes": [0, 30]}),
            ["03-01 10:00:00", "03-01 10:30:00", "03-02 04:00:00"],
        ),
        (
            every(2, "Week", schedule={"hours": [8], "minutes": [0], "weekDays": ["Monday", "Friday"]}),
            ["03-09 08:00:00", "03-13 08:00:00", "03-23 08:00:00"],
        ),
        (
            every(1, "Month", schedule={"hours": [8], "minutes": [0], "monthDays": [31]}),
            ["03-31 08:00:00", "05-31 08:00:00", "07-31 08:00:00"],
        ),
        (
            every(1, "Day", timeZone="Tokyo Standard Time"),
            ["03-01 00:30:15", "03-02 00:30:15", "03-03 00:30:15"],
        ),
        (every(1, "Day", startTime=None), ["03-01 09:30:15", "03-02 09:30:15", "03-03 09:30:15"]),
        (cron("0 * * * *", startTime=""), ["03-01 09:30:15", "03-01 10:00:00", "03-01 11:00:00"]),
    ],
    ids=str,
)
def test_a_trigger_fires_at_the_times_of_its_zone(trigger: dict[str, Any], times: list[str]) -> None:
    assert fires(trigger) == times


def test_hours_are_counted_through_a_change_of_the_clocks() -> None:
    trigger = every(1, "Hour", startTime="2026-03-08T00:00:00", timeZone="Pacific Standard Time")

    times = [datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M:%S") for text in fires(trigger, 6)]

    assert {(later - earlier).seconds for earlier, later in pairwise(times)} == {3600}


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (cron("99 * * * *"), "not a cron expression"),
        (cron("0 0 * * * *"), "five fields"),
        (cron("0 * * * *", timeZone="Europe/Berlin"), "time zone 'Europe/Berlin'"),
        (cron("0 * * * *", startTime="tomorrow"), "startTime is 'tomorrow'"),
        (every(0, "Day"), "interval"),
        (every(1, "Year"), "frequency 'Year'"),
        (every(1, "Week", schedule={"hours": [8], "minutes": [0], "weekDays": ["Funday"]}), "not valid"),
    ],
    ids=str,
)
def test_a_trigger_that_is_not_valid_is_refused(trigger: dict[str, Any], reason: str) -> None:
    with pytest.raises(AzureError, match=reason):
        check_trigger(trigger, CREATED)
