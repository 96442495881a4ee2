"""How long a rollout waits for an endpoint on which another operation is under way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.config.model_policy import Rollout
from tidegate.domain.lifecycle.rollout_limits import (
    AnnounceStuck,
    BusyDecision,
    StepFailed,
    WaitLonger,
    decide_busy,
    no_longer_busy,
)
from tidegate.domain.lifecycle.rollout_records import RolloutRecord

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
POLICY = Rollout(
    endpoint="digits",
    smoke="smoke.json",
    announce_after=timedelta(hours=1),
    fail_after=timedelta(hours=3),
)


def a_record(phase: str = "deploying", **changes: Any) -> RolloutRecord:
    fields = {"endpoint": "digits", "deployment": "v-2", "before": "v-1", "began_at": NOW, "phase": phase}
    return RolloutRecord.model_validate({**fields, **changes})


def after(hours: float, record: RolloutRecord, *, has_traffic: bool = False) -> BusyDecision:
    now = NOW + timedelta(hours=hours)
    return decide_busy(record, "v-2 is Creating", POLICY, now, has_traffic=has_traffic)


def test_a_deployment_is_announced_once_and_then_counts_as_a_failed_step() -> None:
    early, late = after(0.9, a_record()), after(1, a_record())

    assert isinstance(early, WaitLonger)
    assert isinstance(late, AnnounceStuck)
    assert isinstance(after(2.9, late.record), WaitLonger)
    failed = after(3, late.record)
    assert isinstance(failed, StepFailed)
    assert failed.delete
    assert failed.record.phase == "rolled_back"
    assert failed.record.why == (
        "v-2 is Creating since 2026-11-21 02:10:00 UTC, which is longer than fail_after allows"
    )


def test_other_phases_count_from_the_first_time_at_which_the_endpoint_was_busy() -> None:
    first = after(100, a_record("baking"), has_traffic=True)

    assert isinstance(first, WaitLonger)
    assert isinstance(after(101, first.record, has_traffic=True), AnnounceStuck)
    failed = after(103, first.record, has_traffic=True)
    assert isinstance(failed, StepFailed)
    assert (failed.record.phase, failed.delete) == ("failing", False)


@pytest.mark.parametrize(
    ("phase", "has_traffic", "ends_in"),
    [("cleaning", True, "done"), ("failing", False, "rolled_back"), ("smoke", False, "rolled_back")],
)
def test_a_rollout_ends_if_its_endpoint_stays_busy(phase: str, has_traffic: bool, ends_in: str) -> None:
    decision = after(4, a_record(phase, busy_since=NOW, why="sick"), has_traffic=has_traffic)

    assert isinstance(decision, StepFailed)
    assert decision.record.phase == ends_in


def test_a_rollout_does_not_end_before_its_traffic_is_given_back() -> None:
    record = a_record("failing", busy_since=NOW, stuck_announced=True)

    assert isinstance(after(100, record, has_traffic=True), WaitLonger)


def test_an_endpoint_that_accepts_changes_again_is_not_stuck() -> None:
    record = no_longer_busy(a_record("traffic", busy_since=NOW, stuck_announced=True))

    assert isinstance(after(9, record), WaitLonger)
