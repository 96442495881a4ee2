"""Jobs that never end: announced once, cancelled and submitted again as tidegate.yml says."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.handler_harness import JOB, LOOK, MONTH, SCORE, HandlerHarness, commands
from tests.support.installation import SCORE as SCORE_SECTION
from tests.support.installation import Installation

from tidegate.domain.jobs.records import Job, JobEnd
from tidegate.errors import TransientError
from tidegate.messages.commands import CheckJob, Reconcile

FILES = {"a.png": "cat", "b.png": "dog"}
TICK = Reconcile(cause="timer-1")


def fault(installation: Installation, action: str, **more: Any) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", action, match=match, **more)


def checked_jobs(harness: HandlerHarness) -> list[str]:
    return [step.command.job for step in harness.do(TICK) if isinstance(step.command, CheckJob)]


def row(harness: HandlerHarness, attempt: int = 1) -> Job:
    job = harness.ledger.job("development", JOB.replace("-a1", f"-a{attempt}"))
    assert job is not None
    return job


def submit(installation: Installation, harness: HandlerHarness) -> None:
    installation.upload(MONTH, FILES)
    harness.clock.now = installation.now()  # earlier tests may have moved the time of the local cloud
    harness.until_submitted()
    assert commands(harness.do(LOOK)) == []


def test_a_job_that_never_starts_is_announced_and_runs_on_the_fallback_cluster(
    installation: Installation, harness: HandlerHarness
) -> None:
    fault(installation, "never_start")
    submit(installation, harness)
    harness.clock.move(minutes=100)
    assert checked_jobs(harness) == [JOB]
    assert harness.do(LOOK) == []
    assert checked_jobs(harness) == []
    harness.clock.move(days=10)

    assert checked_jobs(harness) == [JOB]
    harness.do(LOOK)

    assert harness.kinds == ["partition.registered", "partition.stuck"]
    stuck = harness.activities[-1]
    assert "publish_predictions is Queued and does not start" in stuck.title
    assert "publish_predictions was Queued for 10 days" in stuck.text
    assert "The limit is 2:00:00 (score.limits.start)" in stuck.text
    assert "none of the scorings of stories has completed yet" in stuck.text
    assert "Cluster gpu-lowpri has 0 of at most" in stuck.text
    assert "low-priority cores in japaneast" in stuck.text
    assert "submits it again on gpu-dedicated" in stuck.text
    assert f"https://ml.azure.com/runs/{JOB}?wsid=" in stuck.text
    installation.wait_for_job(JOB, status="Canceled")
    harness.run(LOOK)

    assert harness.partition.result == f"{MONTH}-1-g1"
    first, second = row(harness), row(harness, 2)
    assert (first.end, first.cancel_requested) == (JobEnd.STUCK, False)
    assert (second.end, second.cluster) == (JobEnd.COMPLETED, "gpu-dedicated")
    assert sorted(harness.kinds) == ["partition.registered", "partition.scored", "partition.stuck"]


def test_a_job_is_submitted_again_a_bounded_number_of_times(
    installation: Installation, harness: HandlerHarness
) -> None:
    fault(installation, "never_start", times=None)
    submit(installation, harness)
    harness.clock.move(days=1)
    harness.do(LOOK)
    installation.wait_for_job(JOB, status="Canceled")
    harness.do(LOOK)
    harness.do(SCORE)
    installation.cloud.settle()
    second = LOOK.model_copy(update={"job": JOB.replace("-a1", "-a2")})

    for _ in range(5):
        harness.clock.move(days=1)
        harness.do(second)

    assert harness.kinds.count("partition.stuck") == 2
    assert "leaves the job as it is" in harness.activities[-1].text
    assert row(harness, 2).end is None
    assert len(installation.jobs()) == 2


def test_a_lost_cancellation_is_repeated_and_a_silent_step_is_announced(
    installation: Installation, harness: HandlerHarness
) -> None:
    limits = {"silent": {"after": "30m", "then": "resubmit"}}
    installation.configure(score={**SCORE_SECTION, "limits": limits})
    fault(installation, "silent")
    submit(installation, harness)
    workspace = harness.workspaces["development"]
    [step] = workspace.jobs.get(JOB, with_steps=True).children
    assert workspace.jobs.last_output(step.id) is None
    workspace.runs.attach(step.id, "stories", "user_logs/std_log.txt", b"begins")
    workspace.runs.attach(step.id, "stories", "system_logs/lifecycler.log", b"begins")
    written = workspace.jobs.last_output(step.id)
    assert written is not None
    harness.clock.now = max(written, installation.now()) + timedelta(minutes=29)
    assert harness.do(LOOK) == []
    installation.cloud.fault("request", "status", value=403, match={"path": "*/cancel"})
    harness.clock.move(minutes=2)

    with pytest.raises(TransientError):
        harness.do(LOOK)
    harness.do(LOOK)

    assert harness.kinds == ["partition.registered", "partition.stuck"]
    assert "wrote nothing to its log files for 0:3" in harness.activities[-1].text
    installation.wait_for_job(JOB, status="Canceled")
    harness.run(LOOK)
    assert row(harness, 2).cluster == "gpu-dedicated"


def test_a_healthy_long_job_is_not_reported(installation: Installation, harness: HandlerHarness) -> None:
    fault(installation, "silent")
    submit(installation, harness)
    now = harness.clock.now
    for number in range(1, 3):
        earlier = Job(**row(harness).model_dump() | {"name": JOB.replace(MONTH, f"20980{number}")})
        earlier.started_at, earlier.ended_at = now - timedelta(days=9), now - timedelta(days=6)
        earlier.end = JobEnd.COMPLETED
        harness.ledger.save(earlier)
    harness.clock.move(days=2.9)
    assert harness.do(LOOK) == []

    harness.clock.move(days=0.2)
    harness.do(LOOK)

    assert "95 % of the scorings of stories completed within 3 days, 0:00:00" in harness.activities[-1].text
    assert row(harness).stuck[0].limit == "silent"
