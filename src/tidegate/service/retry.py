"""When a command looks again at what takes its time. Chains of what the timer begins must not pile up."""

from datetime import timedelta

from tidegate.messages.commands import FROM_TIMER, AnyCommand, Next

FIRST_LOOK = timedelta(minutes=1)  # at a job: its events come sooner, and the timer looks later
LONGEST = timedelta(minutes=1)
_SHORTEST = timedelta(seconds=1)


def later(command: AnyCommand, pause: timedelta) -> list[Next]:
    """What the timer began, it begins again: nothing follows."""
    return [] if command.cause.startswith(FROM_TIMER) else [Next(command, max(pause, _SHORTEST))]


def look_again(command: AnyCommand, so_far: timedelta, longest: timedelta = LONGEST) -> list[Next]:
    """Later the longer it has taken."""
    return later(command, min(so_far / 10, longest))
