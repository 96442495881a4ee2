"""What the end of a run means."""

from typing import Any

import pytest
from tests.support.config_yaml import a_feed
from tests.support.records import a_job

from tidegate.config.schema import Score
from tidegate.domain.jobs.outcome import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobOutcome,
    JobRunning,
    ResubmitJob,
    RunSnapshot,
    decide_outcome,
)

SCORE = Score.model_validate({**a_feed()["score"], "fallback": "gpu-dedicated", "attempts": 2})
NODE_LOST = RunSnapshot("score_images", "Canceled", "NodePreempted", "The low-priority node was preempted.")


def outcome(run: RunSnapshot, **job: Any) -> JobOutcome:
    return decide_outcome(run, a_job(**job), SCORE)


@pytest.mark.parametrize(
    "status", ["NotStarted", "Queued", "Running", "Finalizing", "CancelRequested", "NotResponding", "New"]
)
def test_a_run_that_has_not_ended_is_live(status: str) -> None:
    assert outcome(RunSnapshot("job", status)) == JobRunning()


def test_a_completed_run_is_done_whatever_was_seen_before() -> None:
    assert outcome(RunSnapshot("job", "Completed"), cancel_requested=True) == JobCompleted()


@pytest.mark.parametrize(
    "run",
    [
        RunSnapshot("job", "Canceled", "NodePreempted", "gone"),
        RunSnapshot("job", "Canceled", children=(NODE_LOST,)),
        RunSnapshot("job", "Failed", "UserError", "Pipeline has failed child jobs.", (NODE_LOST,)),
        RunSnapshot("job", "Canceled", "", "The node was preempted by the platform."),
        RunSnapshot("job", "Failed", "LowPriorityNodeEvicted", "gone"),
    ],
)
def test_a_preempted_run_is_submitted_again_on_its_cluster(run: RunSnapshot) -> None:
    again = outcome(run)

    assert isinstance(again, ResubmitJob)
    assert again.compute == "gpu-lowpri"
    assert "preempted on gpu-lowpri" in again.reason


def test_after_the_last_attempt_the_fallback_takes_over_and_after_it_nobody() -> None:
    last = outcome(NODE_LOST, attempt=2)
    assert isinstance(last, ResubmitJob)
    assert last.compute == "gpu-dedicated"
    assert isinstance(outcome(NODE_LOST, attempt=3, cluster="gpu-dedicated"), JobFailed)

    alone = SCORE.model_copy(update={"fallback": None})
    assert isinstance(decide_outcome(NODE_LOST, a_job(attempt=2), alone), JobFailed)


def test_what_a_person_cancelled_stays_cancelled() -> None:
    assert isinstance(outcome(RunSnapshot("job", "Canceled")), JobCancelled)
    assert isinstance(
        outcome(RunSnapshot("job", "Canceled", "JobCanceled", "Step was cancelled")), JobCancelled
    )
    assert isinstance(outcome(NODE_LOST, cancel_requested=True), JobCancelled)


def test_a_failed_run_says_what_its_steps_say() -> None:
    step = RunSnapshot("publish_predictions", "Failed", "UserError", "No such file: rows.jsonl")
    run = RunSnapshot("job", "Failed", "UserError", "Pipeline has failed child jobs.", (step,))

    assert outcome(run) == JobFailed("publish_predictions: No such file: rows.jsonl")
    assert outcome(RunSnapshot("job", "Failed")) == JobFailed("the job is Failed")
    assert isinstance(outcome(RunSnapshot("job", "Canceled", "JobTimedOut", "longer than 3600 s")), JobFailed)


def test_a_log_that_speaks_of_preemption_is_no_preemption() -> None:
    step = RunSnapshot(
        "score_images", "Failed", "UserError", "Execution failed. Error: ... was preempted ..."
    )

    assert isinstance(outcome(RunSnapshot("job", "Failed", "UserError", "failed", (step,))), JobFailed)
