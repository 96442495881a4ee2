"""Notifications about promotions and rollbacks: their ids, titles and texts."""

from datetime import datetime
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.activities.version_texts import rule_lines, version_activity
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion


def needs_approval(record: ModelVersion, until: datetime, trigger: Trigger) -> Activity:
    """Return the activity that asks for an approval, with everything that an approver needs to decide."""
    verdict, name = record.verdict, model_reference(record.model, record.version)
    assert verdict is not None
    compared_with = f"champion {verdict.champion}" if verdict.champion else "no champion yet"
    command = f"tidegate approve {record.model} {record.version} --verdict {verdict.id}"
    lines = [
        f"The version passed the gate on {verdict.data}, compared with {compared_with} "
        f"(job {verdict.job}, verdict {verdict.id}):",
        *rule_lines(verdict.rules),
        "The version is promoted to production only if a person approves it "
        f"before {until:%Y-%m-%d %H:%M %Z}.",
        f'To approve it: {command} --by ... --reason "..."',
        f'To refuse it: {command.replace("approve", "refuse", 1)} --by ... --reason "..."',
    ]
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-needs-approval-{verdict.id}",
        kind="model.needs_approval",
        title=f"{name} waits for approval",
        text="\n".join(lines),
        data={
            "verdict": verdict.id,
            "until": until.isoformat(),
        },
    )


def promotion_stuck(record: ModelVersion, since: datetime, trigger: Trigger) -> Activity:
    """Return the activity of a promotion that holds the model's only place for long."""
    name, copy = model_reference(record.model, record.version), record.promotion
    lines = [f"It is {record.state.value} since {since:%Y-%m-%d %H:%M:%S %Z}."]
    lines += [
        _progress(record),
        "No other version of the model can be promoted in the meantime. The service continues by itself.",
    ]
    if copy and copy.via == "registry":
        lines += ["Look at the version in the registry, at the endpoint, and at tidegate failures."]
    else:
        lines += ["Look at the storage account of production, at the endpoint, and at tidegate failures."]
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-stuck-{record.state.value}-{since:%Y%m%dT%H%M%S}",
        kind="model.stuck",
        title=f"The promotion of {name} is stuck",
        text="\n".join(lines),
        data={
            "state": record.state.value,
            "since": since.isoformat(),
        },
    )


def promotion_stopped(record: ModelVersion, why: str, trigger: Trigger) -> Activity:
    verdict, state = record.verdict.id if record.verdict else "none", record.state.value
    return version_activity(
        record,
        trigger,
        id=f"{record.version}-{state}-{verdict}",
        kind="model.refused",
        title=f"{model_reference(record.model, record.version)} is not promoted: it is {state}",
        text=(
            f"Reason: {why}.\nThe champion stays in use. After you correct the cause, try the version again: "
            f'tidegate judge {record.model} {record.version} --reason "..."'
        ),
        data={"state": state, "why": why},
    )


def promoted(model: Model, cause: str) -> Activity:
    """Return the activity of the model's present champion."""
    champion = _champion(model)
    text = (
        f"Decided by {champion.by}. It was promoted from version {champion.source} in development. "
        f"{_replaced(model.model, model.previous)}"
    )
    return _champion_activity(model, cause, "promoted", "is champion", text)


def rolled_back(model: Model, cause: str) -> Activity:
    text = (
        f"{_champion(model).by}.\nPartitions that the other version scored keep their predictions. "
        "To score such a partition with this version, use tidegate rerun."
    )
    return _champion_activity(model, cause, "rolled_back", "is champion again", text)


def _champion_activity(model: Model, cause: str, kind: str, what: str, text: str) -> Activity:
    champion = _champion(model)
    return Activity(
        subject=model_subject(model.model),
        id=f"{champion.source}-{kind.replace('_', '-')}-{champion.since:%Y%m%dT%H%M%S}",
        kind=f"model.{kind}",
        at=champion.since,
        title=f"{model_reference(model.model, champion.version)} {what}",
        text=text,
        data=_champions(model),
        cause=cause,
    )


def _progress(record: ModelVersion) -> str:
    """Return how far a promotion is."""
    copy = record.promotion
    if copy is None or record.state is not ModelState.PROMOTING:
        return "It is in production, and its rollout has not begun."
    if copy.via == "workspace":
        return f"{copy.copied_bytes:,} of {copy.bytes:,} bytes in {copy.files} files are copied."
    operation = f"the operation is {copy.operation}" if copy.operation else "no operation is known"
    return f"Azure has not finished sharing it with the registry: {operation}."


def _replaced(model: str, previous: Champion | None) -> str:
    if previous is None:
        return "This is the first champion, so there is no version to roll back to."
    return f"This version replaces version {previous.version}. To undo this: tidegate rollback {model}"


def _champions(model: Model) -> dict[str, Any]:
    champion, previous = _champion(model), model.previous
    return {
        "model": model.model,
        "champion": champion.version,
        "source": champion.source,
        "by": champion.by,
        "previous": previous.version if previous else None,
    }


def _champion(model: Model) -> Champion:
    if model.champion is None:
        raise ValueError(f"{model.model} has no champion")
    return model.champion
