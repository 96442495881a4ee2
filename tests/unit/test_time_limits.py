"""When a live job counts as stuck, and what follows."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.config_yaml import a_feed
from tests.support.records import NOW, a_job

from tidegate.config.schema import Score
from tidegate.config.types import JobLimits
from tidegate.domain.jobs.outcome import JobCompleted, ResubmitJob, decide_outcome, end_of
from tidegate.domain.jobs.records import Job, JobEnd, Limit, StuckRun
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.domain.jobs.time_limits import (
    WithinLimits,
    decide_limits,
    first_check,
    next_cluster,
    usual_time,
)

HOUR = timedelta(hours=1)
LIMITS = JobLimits.model_validate(
    {"start": {"after": "2h"}, "run": {"after": "1h", "first": "1d"}, "silent": {"after": "3h"}}
)


def after(**time: float) -> datetime:
    return NOW + timedelta(**time)


def a_run(*steps: RunSnapshot, status: str = "Running") -> RunSnapshot:
    return RunSnapshot("job", status, children=steps, started_at=NOW, created_at=NOW)


def a_step(status: str, name: str = "score_images", **fields: Any) -> RunSnapshot:
    times: dict[str, Any] = {"created_at": NOW}
    if status not in ("Queued", "Preparing", "NotStarted"):
        times["started_at"] = NOW
    return RunSnapshot(name, status, id=name, **times | fields)


def completed(*hours: float) -> list[Job]:
    return [a_job(end=JobEnd.COMPLETED, started_at=NOW, ended_at=after(hours=length)) for length in hours]


def decide(run: RunSnapshot, now: datetime, usual: timedelta | None = None, **job: Any) -> Any:
    return decide_limits(a_job(**job), run, LIMITS, usual, now)


@pytest.mark.parametrize("state", ["NotStarted", "Preparing", "Queued", "Provisioning"])
@pytest.mark.parametrize("pipeline_runs", [True, False])
def test_what_waits_for_nodes_is_stuck_after_the_limit(state: str, pipeline_runs: bool) -> None:
    run = a_run(a_step(state)) if pipeline_runs else a_run(status=state)

    assert decide(run, after(minutes=119)) == WithinLimits(after(hours=2))
    stuck = decide(run, after(hours=2))
    assert (stuck.limit, stuck.state, stuck.since) == (Limit.START, state, NOW)
    assert stuck.run == ("score_images" if pipeline_runs else "job")


def test_a_step_that_waits_for_another_step_is_not_stuck() -> None:
    later = a_step("NotStarted", "publish")

    assert isinstance(decide(a_run(a_step("Running"), later), after(minutes=130)), WithinLimits)
    ended = a_step("Completed", ended_at=after(hours=5))
    assert isinstance(decide(a_run(ended, later), after(hours=6)), WithinLimits)
    assert decide(a_run(ended, later), after(hours=7)).run == "publish"


def test_a_step_that_lost_its_nodes_waits_since_then() -> None:
    again = a_step("Queued", started_at=NOW, modified_at=after(hours=9))

    assert isinstance(decide(a_run(again), after(hours=10)), WithinLimits)
    assert decide(a_run(again), after(hours=11)).since == after(hours=9)


@pytest.mark.parametrize(
    ("usual", "limit"), [(None, 24 * HOUR), (HOUR / 60, HOUR), (HOUR, 3 * HOUR), (10 * HOUR, 30 * HOUR)]
)
def test_a_run_is_compared_with_its_own_history(usual: timedelta | None, limit: timedelta) -> None:
    def run(now: datetime) -> RunSnapshot:
        return a_run(a_step("Running", last_output=now))

    just_before = NOW + limit - timedelta(seconds=1)
    assert isinstance(decide(run(just_before), just_before, usual), WithinLimits)
    stuck = decide(run(NOW + limit), NOW + limit, usual)
    assert (stuck.limit, stuck.since, stuck.allowed_s) == (Limit.RUN, NOW, limit.total_seconds())


def test_the_usual_time_is_that_of_95_percent_of_the_completed_jobs() -> None:
    assert usual_time([]) is None
    assert usual_time(completed(2)) == 2 * HOUR
    assert usual_time(completed(*range(1, 21))) == 19 * HOUR
    assert usual_time([a_job(end=JobEnd.FAILED, started_at=NOW, ended_at=after(hours=1))]) is None


def test_a_step_that_writes_nothing_is_stuck_unless_its_job_runs_no_longer_than_usual() -> None:
    never, once = a_run(a_step("Running")), a_run(a_step("Running", last_output=after(hours=2)))

    assert decide(never, after(hours=3)).limit is Limit.SILENT
    assert decide(once, after(hours=3)) == WithinLimits(after(hours=5))
    assert decide(once, after(hours=5)).since == after(hours=2)
    assert isinstance(decide(never, after(hours=8), usual=9 * HOUR), WithinLimits)
    assert decide(never, after(hours=9), usual=9 * HOUR).limit is Limit.SILENT


def test_what_was_announced_is_not_announced_again_and_hides_that_the_job_runs_long() -> None:
    run, now = a_run(a_step("Queued")), after(days=10)
    first = decide(run, now)

    again = decide(run, now, stuck=[first])

    assert first.limit is Limit.START
    assert again == WithinLimits(now + HOUR)
    assert decide(a_run(a_step("Queued", "publish")), now, stuck=[first]).run == "publish"


def test_the_first_check_is_at_the_shortest_limit() -> None:
    assert first_check(a_job(), LIMITS) == after(hours=1)


SCORE = {**a_feed()["score"], "fallback": "gpu-dedicated"}
RESUBMIT = {
    "start": {"then": "resubmit"},
    "run": {"then": "resubmit"},
    "silent": {"then": "resubmit"},
    "resubmits": 2,
}


def a_stuck(limit: Limit, **changes: Any) -> StuckRun:
    fields = {"run": "score_images", "state": "Queued", "since": NOW, "allowed_s": 60, "noticed_at": NOW}
    return StuckRun.model_validate({**fields, "limit": limit, **changes})


@pytest.mark.parametrize(
    ("limit", "policy", "job", "resubmitted", "cluster"),
    [
        (Limit.START, {}, {}, 0, "gpu-dedicated"),
        (Limit.START, {"limits": {"start": {"then": "alert"}}}, {}, 0, None),
        (Limit.START, {}, {}, 1, None),
        (Limit.START, {}, {"cluster": "gpu-dedicated"}, 0, None),
        (Limit.START, {"fallback": None}, {}, 0, None),
        (Limit.START, {}, {"cancel_requested": True}, 0, None),
        (Limit.RUN, {}, {}, 0, None),
        (Limit.SILENT, {}, {}, 0, None),
        (Limit.RUN, {"limits": RESUBMIT}, {}, 1, "gpu-dedicated"),
        (Limit.RUN, {"limits": RESUBMIT}, {}, 2, None),
        (Limit.SILENT, {"limits": RESUBMIT, "fallback": None}, {}, 0, "gpu-lowpri"),
    ],
)
def test_a_stuck_job_is_submitted_again_as_its_policy_says(
    limit: Limit, policy: dict[str, Any], job: dict[str, Any], resubmitted: int, cluster: str | None
) -> None:
    clusters = Score.model_validate({**SCORE, **policy})
    run = a_run(a_step("Queued", target="gpu-lowpri"))

    assert next_cluster(
        a_job(**{"cluster": "gpu-lowpri", **job}), a_stuck(limit), clusters, run, resubmitted
    ) == (cluster)


def test_a_step_that_waits_for_a_cluster_which_stays_the_same_is_only_announced() -> None:
    run = a_run(a_step("Queued", "publish", target="cpu"))
    stuck = a_stuck(Limit.START, run="publish")

    assert next_cluster(a_job(), stuck, Score.model_validate(SCORE), run, 0) is None


@pytest.mark.parametrize("status", ["Canceled", "Failed"])
def test_a_job_that_the_service_cancelled_is_submitted_again(status: str) -> None:
    job = a_job(stuck=[a_stuck(Limit.START, resubmit_on="gpu-dedicated", noticed_at=after(hours=3))])

    outcome = decide_outcome(RunSnapshot("job", status), job, Score.model_validate(SCORE))

    assert isinstance(outcome, ResubmitJob)
    assert (outcome.compute, outcome.reason) == (
        "gpu-dedicated",
        "stuck on gpu-lowpri: score_images was Queued for 3:00:00",
    )
    assert end_of(outcome) is JobEnd.STUCK
    completed_first = decide_outcome(RunSnapshot("job", "Completed"), job, Score.model_validate(SCORE))
    assert completed_first == JobCompleted()
