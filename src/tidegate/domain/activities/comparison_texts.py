"""Notifications about the forecasts of a model set that were compared with actual values."""

from collections.abc import Iterator

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.domain.model_sets.comparison import COMPARISON, ComparisonOutcome, comparison_folder

_MOST_KEYS = 10


def forecasts_compared(
    model: str, retraining: Retraining, outcome: ComparisonOutcome, trigger: Trigger
) -> Activity:
    """Return the activity of a comparison: how many keys are trained again, and the reasons of some."""
    comparison = retraining.comparison
    assert comparison is not None
    return Activity(
        subject=model_subject(model),
        id=f"compared-{retraining.signal}",
        kind="model.compared",
        at=trigger.at,
        title=f"The forecasts of {model} were compared with {comparison.partition}: {outcome.text}",
        text="\n".join([outcome.text.capitalize() + ".", *_reasons(outcome), _next_step(model, retraining)]),
        data={
            "model": model,
            "partition": comparison.partition,
            "job": retraining.job,
            "compared": outcome.compared,
            "keys": dict(outcome.keys),
            "decisions": [
                {"key": dict(decision.key), "why": decision.why, "reason": decision.reason}
                for decision in outcome.decisions
            ],
        },
        cause=trigger.cause,
    )


def _reasons(outcome: ComparisonOutcome) -> Iterator[str]:
    for decision in outcome.decisions[:_MOST_KEYS]:
        yield f"- {decision.text}"
    more = sum(outcome.keys.values()) - _MOST_KEYS
    if more > 0:
        yield f"- and {more} more"


def _next_step(model: str, retraining: Retraining) -> str:
    file = comparison_folder(model, retraining.signal) + COMPARISON
    return f"Each key with its reason: {file} in the datastore {BLOBSTORE}."
