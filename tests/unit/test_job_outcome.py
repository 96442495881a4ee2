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
    decide_outcome,
)
from tidegate.domain.jobs.preemption import PREEMPTION_SIGNS, find_preemption
from tidegate.domain.jobs.run_snapshot import RunSnapshot

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


# As users of Azure ML reported it: https://github.com/microsoft/MLOpsPython/issues/346
REPORTED = (
    "AzureMLCompute job failed.\nPreemptionError: Nodes of this job got pre-empted. Check if the run has "
    "failed or restarted.\n\tReason: Received pre-emption warning signal"
)


def test_a_pipeline_whose_step_was_preempted_in_azure_is_submitted_again_and_says_what_showed_it() -> None:
    step = RunSnapshot("score_images", "Failed", "UserError", REPORTED)
    run = RunSnapshot("job", "Failed", "UserError", "Pipeline has failed child jobs.", (step,))

    again = outcome(run)

    assert isinstance(again, ResubmitJob)
    assert again.compute == "gpu-lowpri"
    assert again.preemption is not None
    assert (again.preemption.run, again.preemption.sign) == ("score_images", "PreemptionError")
    matched = "PreemptionError: Nodes of this job got pre-empted. Check if the run has failed or restarted."
    assert again.preemption.matched == matched
    assert again.preemption.source == "https://github.com/microsoft/MLOpsPython/issues/346"
    assert again.reason == (f"preempted on gpu-lowpri: score_images is Failed with the message {matched!r}")


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("NodePreempted", "gone"),
        ("UserError/PreemptionError", "AzureMLCompute job failed."),
        ("pre-empted", ""),
        ("LowPriorityNodeEvicted", "gone"),
        ("UserError", REPORTED),
        ("", REPORTED.upper()),
        ("UserError", "UserError: AzureMLCompute job failed. PreemptionError: Nodes of this job are gone."),
        ("UserError", "The low-priority node was preempted."),
        ("UserError", "The nodes of this run were pre\u2011empted by the platform."),
        ("UserError", "All VMs got pre empted"),
        ("UserError", "Job failed. Reason: Received preemption notice"),
        ("SystemError", "The spot VM was evicted."),
    ],
)
def test_each_sign_counts_by_code_or_message_in_every_spelling(status: str, code: str, message: str) -> None:
    assert isinstance(outcome(RunSnapshot("job", status, code, message)), ResubmitJob)


def test_a_cancelled_run_or_step_is_preempted_if_it_mentions_preemption() -> None:
    assert isinstance(outcome(RunSnapshot("job", "Canceled", "", "Preempted by the platform.")), ResubmitJob)
    assert isinstance(outcome(RunSnapshot("job", "Canceled", children=(NODE_LOST,))), ResubmitJob)


def test_each_sign_has_a_pattern_and_a_source() -> None:
    for sign in PREEMPTION_SIGNS:
        assert (sign.code is None) is not (sign.message is None), sign
        assert sign.source.startswith("https://"), sign
        assert sign.statuses <= {"Failed", "Canceled"}


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


EXECUTION_FAILED = (
    "Execution failed. User process exited with status code 1. Please check log file "
    "'user_logs/std_log.txt' for error details. Error: "
)


@pytest.mark.parametrize(
    "message",
    [
        "Execution failed. Error: ... the node was preempted ...",
        f"{EXECUTION_FAILED}{REPORTED}",
        f"{EXECUTION_FAILED}Traceback (most recent call last):\nPreemptionError: Nodes got pre-empted",
        "User program failed with PreemptionError: nodes of this job got pre-empted",
        "The quota of preemptible nodes is used up.",
        "x" * 1000 + REPORTED,
    ],
)
def test_a_job_whose_own_log_mentions_preemption_has_failed(message: str) -> None:
    step = RunSnapshot("score_images", "Failed", "UserError", message)

    assert isinstance(outcome(RunSnapshot("job", "Failed", "UserError", "failed", (step,))), JobFailed)
    assert find_preemption([step]) is None
