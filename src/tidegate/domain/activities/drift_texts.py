"""What people are told about drift and retraining: activities with derived ids, and their words. Pure."""

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.verdict_texts import subject_of_model
from tidegate.domain.lifecycle.records import Retraining, SignalRecord


def weighed(model: str, signal: SignalRecord, cause: str) -> Activity | None:
    """Of a signal, taken or ignored; nothing of a month that is as it should be, or was not measured."""
    if signal.source == "renew" and signal.taken:
        return None
    if not signal.breached and signal.source not in ("renew", "monitor"):
        return None
    word = "detected" if signal.taken else "ignored"
    what = "The renewal" if signal.source == "renew" else f"Drift ({signal.source.replace('_', ' ')})"
    end = "it is trained anew" if signal.taken else "nothing is done"
    return Activity(
        subject=subject_of_model(model),
        id=f"drift-{signal.id}",
        kind=f"drift.{word}",
        at=signal.at,
        title=f"{what} of {model}, {signal.about}: {end}",
        text=f"{signal.why}.",
        data={"model": model, **signal.model_dump(mode="json")},
        cause=cause,
    )


def retraining(model: str, begun: Retraining, cause: str) -> Activity:
    return Activity(
        subject=subject_of_model(model),
        id=f"retraining-{begun.signal}-{begun.attempt}",
        kind="model.retraining",
        at=begun.since,
        title=f"{model} is trained anew",
        text=f"Because of {begun.signal}, on {', '.join(begun.data)}. Job {begun.job}.",
        data={"model": model, **begun.model_dump(mode="json")},
        cause=cause,
    )


def failed(model: str, begun: Retraining, why: str, trigger: Trigger) -> Activity:
    return Activity(
        subject=subject_of_model(model),
        id=f"retraining-{begun.signal}-failed",
        kind="model.retraining_failed",
        at=trigger.at,
        title=f"Training {model} anew failed",
        text=f"{why}. Job {begun.job}, because of {begun.signal}.",
        data={"model": model, "why": why, **begun.model_dump(mode="json")},
        cause=trigger.cause,
    )
