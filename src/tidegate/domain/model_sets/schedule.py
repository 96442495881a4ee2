"""The schedule on which all keys of a model set are trained again."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.model_sets import SetTraining
from tidegate.domain.lifecycle.records import Model

_LATEST_START = timedelta(hours=24)  # a training that would start later waits for the next time


def due_training(model: Model, training: SetTraining, now: datetime, zone: ZoneInfo) -> str | None:
    """Return the period whose training is due now and has no signal yet, or None.

    A period is a day (`20261105`), a week (`2026W45`) or a month (`202611`).
    """
    if training.every is None:
        return None
    local = now.astimezone(zone)
    hour, minute = (int(part) for part in training.at.split(":"))
    due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    match training.every:
        case "month":
            due, period = due.replace(day=training.day), f"{local:%Y%m}"
        case "week":
            due += timedelta(days=training.day - local.isoweekday())
            year, week, _ = local.isocalendar()
            period = f"{year}W{week:02}"
        case "day":
            period = f"{local:%Y%m%d}"
    known = any(signal.source == "renew" and signal.about == period for signal in model.signals)
    return None if known or not timedelta() <= local - due < _LATEST_START else period
