"""When timers are due, and when failed deliveries are tried again."""

from datetime import UTC, datetime
from random import Random

import pytest

from tidepool.events.retries import (
    SCHEDULE,
    GiveUp,
    Limits,
    Retry,
    decide_retry,
    hold_seconds,
    is_success,
    retry_delay,
)
from tidepool.functions import schedule

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 */5 * * * *", datetime(2026, 11, 20, 12, 5, tzinfo=UTC)),
        ("30 * * * * *", datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)),
        ("0 0 12 * * *", datetime(2026, 11, 21, 12, 0, tzinfo=UTC)),
        ("0 30 9 * * MON", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 Jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 11, 20, 12, 5, tzinfo=UTC)),
        ("0 0 0 13 * 5", datetime(2027, 8, 13, tzinfo=UTC)),  # the 13th and a Friday, both
        ("01:30:00", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
    ],
)
def test_next_occurrence(expression: str, following: datetime) -> None:
    assert schedule.parse(expression)(NOON) == following


@pytest.mark.parametrize(
    "expression", ["", "* * *", "61 * * * * *", "0 0 25 * * *", "0 0 0 0 0", "00:00:00", "soon"]
)
def test_what_is_not_a_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        schedule.parse(expression)


DAY = Limits(max_attempts=30, time_to_live_s=86_400, webhook=False)
WEBHOOK = Limits(max_attempts=30, time_to_live_s=86_400, webhook=True)


def decided(status: int, attempts: int = 1, age_s: float = 0, limits: Limits = DAY) -> Retry | GiveUp:
    return decide_retry(status, attempts, age_s, limits, Random(0))


@pytest.mark.parametrize(
    ("status", "expected"), [(200, True), (204, True), (205, False), (302, False), (199, False)]
)
def test_only_200_to_204_is_success(status: int, expected: bool) -> None:
    assert is_success(status) is expected


@pytest.mark.parametrize(
    ("attempt", "scheduled"), list(enumerate([*SCHEDULE, 12 * 3600, 12 * 3600], start=1))
)
def test_the_documented_schedule_with_little_jitter(attempt: int, scheduled: float) -> None:
    delays = [retry_delay(500, attempt, Random(seed)) for seed in range(20)]

    assert all(scheduled <= delay <= 1.1 * scheduled for delay in delays)
    assert len(set(delays)) > 1


@pytest.mark.parametrize(
    ("status", "at_least"), [(404, 300), (401, 300), (403, 300), (408, 120), (503, 30), (500, 10)]
)
def test_some_answers_wait_longer(status: int, at_least: float) -> None:
    retry = decided(status)

    assert isinstance(retry, Retry)
    assert at_least <= retry.after_s <= 1.1 * at_least


@pytest.mark.parametrize("status", [400, 413])
def test_what_can_never_succeed_is_not_tried_again(status: int) -> None:
    assert isinstance(decided(status), GiveUp)


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_web_hooks_are_given_up_for_more(status: int) -> None:
    assert isinstance(decided(status, limits=WEBHOOK), GiveUp)


def test_the_last_attempt_ends_it() -> None:
    assert decided(500, attempts=30) == GiveUp("MaxDeliveryAttemptsExceeded")
    assert isinstance(decided(500, attempts=29), GiveUp | Retry)


def test_the_time_to_live_ends_it() -> None:
    minute = Limits(max_attempts=30, time_to_live_s=60, webhook=False)

    assert isinstance(decided(500, attempts=2, age_s=10, limits=minute), Retry)
    assert decided(500, attempts=3, age_s=40, limits=minute) == GiveUp("TimeToLiveExceeded")


def test_new_events_wait_for_an_endpoint_that_keeps_failing() -> None:
    assert hold_seconds(9) == 0
    assert 0 < hold_seconds(10) < hold_seconds(20) < hold_seconds(40)
    assert hold_seconds(10_000) == 3600
