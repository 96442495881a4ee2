"""The triggers of schedules: when a cron expression or a recurrence fires. All results are in UTC.

The rules for the start time are those of
https://learn.microsoft.com/azure/machine-learning/reference-yaml-schedule
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from dateutil import rrule
from dateutil.parser import isoparse
from tzlocal.windows_tz import win_tz

from tidepool.azureml.ml_errors import UserError

Trigger = Mapping[str, Any]
_FREQUENCIES: dict[str, Literal[0, 1, 2, 3, 4, 5, 6]] = {
    "minute": rrule.MINUTELY,
    "hour": rrule.HOURLY,
    "day": rrule.DAILY,
    "week": rrule.WEEKLY,
    "month": rrule.MONTHLY,
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# These count the time that passes, whatever clocks show.
_ELAPSED = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
# Zones of Windows that tzlocal does not have.
_ZONES = {"Mid-Atlantic Standard Time": "Etc/GMT+2", "Kamchatka Standard Time": "Asia/Kamchatka"}
_MOMENT = timedelta(microseconds=1)


def check_trigger(trigger: Trigger, created: datetime) -> None:
    """Raise UserError if a trigger is not valid."""
    next_occurrence(trigger, created, created)


def next_occurrence(trigger: Trigger, created: datetime, after: datetime) -> datetime | None:
    """Return the first time after `after` at which a trigger fires, or None if it never fires again.

    Without a start time it fires at once when it is created, and then as if it had started at that time.
    Raise UserError if the trigger is not valid.
    """
    zone = _zone(trigger)
    start = _moment(trigger, "startTime", zone)
    end = _moment(trigger, "endTime", zone)
    if start is None and after < created:
        return created
    start = start or created
    try:
        following = _following(trigger, zone, start, max(after, start - _MOMENT))
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(f"the trigger is not valid: {error}") from error
    return None if following is None or (end and following > end) else following


def _following(trigger: Trigger, zone: ZoneInfo, start: datetime, after: datetime) -> datetime | None:
    if trigger.get("triggerType") == "Cron":
        expression = str(trigger.get("expression"))
        if len(expression.split()) != 5 or not croniter.is_valid(expression):
            raise _invalid(f"'{expression}' is not a cron expression with five fields")
        local: datetime = croniter(expression, after.astimezone(zone), day_or=False).get_next(datetime)
        return local.astimezone(UTC)
    return _recurrence(trigger, zone, start, after)


def _recurrence(trigger: Trigger, zone: ZoneInfo, start: datetime, after: datetime) -> datetime | None:
    frequency = str(trigger.get("frequency")).lower()
    if frequency not in _FREQUENCIES:
        raise _invalid(f"the frequency '{trigger.get('frequency')}' is none of {', '.join(_FREQUENCIES)}")
    interval = int(trigger.get("interval") or 0)
    if interval < 1:
        raise _invalid("the interval must be a whole number of at least 1")
    pattern = {name: value for name, value in (trigger.get("schedule") or {}).items() if value}
    clock = UTC if frequency in _ELAPSED and not pattern else zone
    first = start.astimezone(clock).replace(tzinfo=None)
    last = after.astimezone(clock).replace(tzinfo=None)
    if step := _ELAPSED.get(frequency):  # a start years ago would be millions of steps away
        first += max(0, (last - first) // (interval * step)) * interval * step
    rule = rrule.rrule(
        _FREQUENCIES[frequency],
        interval=interval,
        dtstart=first,
        byhour=pattern.get("hours"),
        byminute=pattern.get("minutes"),
        bysecond=0 if pattern else None,
        byweekday=[_DAYS.index(day.lower()) for day in pattern.get("weekDays", [])] or None,
        bymonthday=pattern.get("monthDays"),
    )
    following: datetime | None = rule.after(last)
    return following.replace(tzinfo=clock).astimezone(UTC) if following else None


def _zone(trigger: Trigger) -> ZoneInfo:
    name = trigger.get("timeZone") or "UTC"
    try:
        return ZoneInfo(_ZONES.get(name) or win_tz[name])
    except (KeyError, ZoneInfoNotFoundError) as error:
        raise _invalid(f"the time zone '{name}' is not the name of a time zone in Windows") from error


def _moment(trigger: Trigger, name: str, zone: ZoneInfo) -> datetime | None:
    """Return a time of the trigger, which is local time unless it has an offset."""
    text = trigger.get(name)
    if not text:
        return None
    try:
        moment = isoparse(str(text).replace(" ", "T"))
    except ValueError as error:
        raise _invalid(f"{name} is '{text}', which is not a time in ISO 8601") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _invalid(reason: str) -> UserError:
    return UserError(400, f"The schedule cannot be created: {reason}.", "BadArgument", "ScheduleInvalid")
