"""Notifications about drift and retraining: their ids, titles and texts."""

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord


def signal_weighed(model: str, signal: SignalRecord, cause: str) -> Activity | None:
    """Return the activity of a drift signal, or None if people need not know about it.

    A partition without drift, a partition that was not measured, and a renewal that starts a training (which
    has a notification of its own) are not reported.
    """
    if signal.source == "renew" and signal.taken:
        return None
    if not signal.breached and signal.source not in ("renew", "monitor"):
        return None
    what = "The renewal" if signal.source == "renew" else f"Drift ({signal.source.replace('_', ' ')})"
    if signal.taken:
        word, effect = "detected", "a new model is trained"
        next_step = "The new version is judged when its training has completed. There is nothing to do now."
    else:
        word, effect = "ignored", "no training is started"
        next_step = f"To act on the drift: {_command(model)}"
    return Activity(
        subject=model_subject(model),
        id=f"drift-{signal.id}",
        kind=f"drift.{word}",
        at=signal.at,
        title=f"{what} of {model}, {signal.about}: {effect}",
        text=f"Reason: {signal.why}.\n{next_step}",
        data={"model": model, **signal.model_dump(mode="json")},
        cause=cause,
    )


def retraining_started(model: str, retraining: Retraining, cause: str) -> Activity:
    return Activity(
        subject=model_subject(model),
        id=f"retraining-{retraining.signal}-{retraining.attempt}",
        kind="model.retraining",
        at=retraining.since,
        title=f"A new version of {model} is being trained",
        text=(
            f"It was started by {_cause(retraining)}. Training data: {', '.join(retraining.data)}. "
            f"Job {retraining.job}.\nThe new version is judged when the job has completed."
        ),
        data={"model": model, **retraining.model_dump(mode="json")},
        cause=cause,
    )


def retraining_preempted(
    model: str, retraining: Retraining, resubmission: ResubmitJob, trigger: Trigger
) -> Activity:
    return Activity(
        subject=model_subject(model),
        id=f"{retraining.job}-preempted",
        kind="model.preempted",
        at=trigger.at,
        title=f"{retraining.job} was preempted",
        text=(
            f"{resubmission.reason}.\nThe training is submitted again, on {resubmission.compute}. "
            "There is nothing to do."
        ),
        data={"model": model, "job": retraining.job, "compute": resubmission.compute, **resubmission.details},
        cause=trigger.cause,
    )


def retraining_cancelled(model: str, retraining: Retraining, why: str, trigger: Trigger) -> Activity:
    return Activity(
        subject=model_subject(model),
        id=f"retraining-{retraining.signal}-cancelled",
        kind="model.retraining_cancelled",
        at=trigger.at,
        title=f"Training a new version of {model} was cancelled",
        text=(
            f"Job {retraining.job}, started by {_cause(retraining)}: {why}.\n"
            "The champion stays in use, and this training is not started again. The next drift signal after "
            f"the cool-down starts another training. {_retrain(model)}"
        ),
        data={"model": model, "why": why, **retraining.model_dump(mode="json")},
        cause=trigger.cause,
    )


def retraining_failed(model: str, retraining: Retraining, why: str, trigger: Trigger) -> Activity:
    return Activity(
        subject=model_subject(model),
        id=f"retraining-{retraining.signal}-failed",
        kind="model.retraining_failed",
        at=trigger.at,
        title=f"Training a new version of {model} failed",
        text=(
            f"{why}. Job {retraining.job}, started by {_cause(retraining)}.\n"
            "The champion stays in use. Correct the cause. The next drift signal after the cool-down starts "
            f"another training. {_retrain(model)}"
        ),
        data={"model": model, "why": why, **retraining.model_dump(mode="json")},
        cause=trigger.cause,
    )


def _cause(retraining: Retraining) -> str:
    if retraining.requested:
        return f"a person's request ({retraining.requested})"
    return f"the drift signal {retraining.signal}"


def _retrain(model: str) -> str:
    return f"To start one before that: {_command(model)}"


def _command(model: str) -> str:
    return f'tidegate retrain {model} --reason "..."'
