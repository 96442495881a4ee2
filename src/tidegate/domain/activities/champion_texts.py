"""Notifications about champions that are judged again because an image decoder changed."""

from datetime import timedelta
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.version_texts import version_activity
from tidegate.domain.jobs.time_limits import duration_text
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import DecoderCheck


def champion_judged(record: ModelVersion, check: DecoderCheck, trigger: Trigger) -> Activity:
    """Return the activity of a check that has ended."""
    name = model_reference(record.model, record.version)
    if check.problem is None:
        kind, title = "model.champion_judged", f"Champion {name} passes with image decoder {check.decoder}"
        text = (
            "The scoring pipeline decodes images in another way than before, so the champion was judged "
            "again. The partitions that waited for this are scored now."
        )
    else:
        kind, title = (
            "model.champion_unfit",
            f"Champion {name} does not pass with image decoder {check.decoder}",
        )
        text = f"Reason: {check.problem}.\n{_what_happens(record)}"
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-decoder-{check.decoder}",
        kind=kind,
        title=title,
        text=text,
        data=_data(check),
    )


def champion_not_judged(
    record: ModelVersion, check: DecoderCheck, wait: timedelta, trigger: Trigger
) -> Activity:
    """Return the activity of a check for which scoring no longer waits."""
    name, limit = model_reference(record.model, record.version), duration_text(wait)
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-decoder-{check.decoder}-late",
        kind="model.champion_unfit",
        title=f"Champion {name} was not judged with image decoder {check.decoder} within {limit}",
        text=f"Look at its evaluation, at tidegate pauses and at tidegate failures.\n{_what_happens(record)}",
        data=_data(check),
    )


def _what_happens(record: ModelVersion) -> str:
    return (
        "Scoring goes on with the champion, because there is no better model. Each result names its decoder."
        "\nTo stop the scoring, use tidegate pause. To replace the champion, train a version with this "
        f'decoder: tidegate retrain {record.model} --reason "..."'
    )


def _data(check: DecoderCheck) -> dict[str, Any]:
    return {
        "decoder": check.decoder,
        "verdict": check.verdict.id if check.verdict else None,
        "problem": check.problem,
    }
