"""The notifications about pauses: what was paused or resumed, by whom, and what that means."""

from datetime import datetime

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import pause_subject
from tidegate.domain.pauses import EVERYTHING, Pause


def paused(pause: Pause) -> Activity:
    """Return the activity of a pause."""
    title = f"{target_name(pause.target)} is paused"
    text = (
        f"{pause.by} paused it: {pause.reason}. Jobs that run are brought to their end. No new work starts, "
        "and everything that arrives waits until somebody ends the pause with `tidegate resume`."
    )
    return _activity(pause, "work.paused", pause.since, title, text)


def resumed(pause: Pause, by: str, now: datetime) -> Activity:
    """Return the activity of the end of a pause."""
    title = f"{target_name(pause.target)} is resumed"
    text = f"{by} ended the pause of {pause.since:%Y-%m-%d %H:%M %Z} ({pause.reason}). What waited is sent."
    return _activity(pause, "work.resumed", now, title, text)


def cause_of(pause: Pause) -> str:
    """Return the cause of what a pause and its end lead to."""
    return f"pause-{pause.since:%Y%m%dT%H%M%S}"


def target_name(target: str) -> str:
    """Return what is paused in words: `Feed digits`, `Model classifier` or `Everything`."""
    if target == EVERYTHING:
        return "Everything"
    kind, _, name = target.removeprefix("budget:").partition(":")
    return f"{kind.capitalize()} {name}"


def _activity(pause: Pause, kind: str, at: datetime, title: str, text: str) -> Activity:
    return Activity(
        subject=pause_subject(pause.target),
        id=f"{kind}-{pause.since:%Y%m%dT%H%M%S%f}",
        kind=kind,
        at=at,
        title=title,
        text=text,
        cause=cause_of(pause),
    )
