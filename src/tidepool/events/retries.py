"""The decision whether and when a failed delivery is tried again.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

from dataclasses import dataclass
from random import Random

MINUTE = 60.0
HOUR = 60 * MINUTE

# Seconds to wait after the first, the second ... failed attempt. After the last entry, the wait is 12 hours.
SCHEDULE = (10.0, 30.0, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR)
LATER = 12 * HOUR
SHORTEST_WAIT = {401: 5 * MINUTE, 403: 5 * MINUTE, 404: 5 * MINUTE, 408: 2 * MINUTE, 503: 30.0}

NEVER_AGAIN = frozenset({400, 413})
NEVER_AGAIN_FOR_WEBHOOKS = frozenset({400, 401, 403, 413})

JITTER = 0.1

# After this number of failures in a row, Event Grid also delays new events for the endpoint.
HOLD_AFTER = 10
LONGEST_HOLD = HOUR

TIMED_OUT = 408
UNREACHABLE = 503

_OUTCOMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    503: "Busy",
}


@dataclass(frozen=True)
class Retry:
    after_s: float


@dataclass(frozen=True)
class GiveUp:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    max_attempts: int
    time_to_live_s: float
    webhook: bool


def is_success(status: int) -> bool:
    return 200 <= status <= 204


def outcome(status: int) -> str:
    """Return the `lastDeliveryOutcome` for an HTTP status."""
    return _OUTCOMES.get(status, "GenericError")


def decide_retry(status: int, attempts: int, age_s: float, limits: Limits, random: Random) -> Retry | GiveUp:
    """Decide what follows the failed attempt number `attempts` of an event that was published `age_s` ago."""
    if status in (NEVER_AGAIN_FOR_WEBHOOKS if limits.webhook else NEVER_AGAIN):
        return GiveUp(outcome(status))
    if attempts >= limits.max_attempts:
        return GiveUp("MaxDeliveryAttemptsExceeded")
    after_s = retry_delay(status, attempts, random)
    if age_s + after_s > limits.time_to_live_s:
        return GiveUp("TimeToLiveExceeded")
    return Retry(after_s)


def retry_delay(status: int, attempts: int, random: Random) -> float:
    scheduled = SCHEDULE[attempts - 1] if attempts <= len(SCHEDULE) else LATER
    return max(scheduled, SHORTEST_WAIT.get(status, 0.0)) * (1 + JITTER * random.random())


def hold_seconds(failures_in_a_row: int) -> float:
    """Return the seconds for which an endpoint gets no new events after a number of failures in a row."""
    if failures_in_a_row < HOLD_AFTER:
        return 0.0
    return float(min(LONGEST_HOLD, 10.0 * 2 ** (failures_in_a_row // HOLD_AFTER - 1)))
