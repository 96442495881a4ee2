"""What people are told about promotions: activities with derived ids, and their words. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.verdict_texts import subject_of_model
from tidegate.domain.lifecycle.records import Champion, Model, ModelVersion, RuleResult

_MOST_LINES = 40


def needs_approval(record: ModelVersion, until: datetime, trigger: Trigger) -> Activity:
    """Everything that a person needs to decide."""
    verdict, name = record.verdict, f"{record.model}:{record.version}"
    assert verdict is not None
    beside = f"champion {verdict.champion}" if verdict.champion else "no champion yet"
    lines = [
        f"It passed the gate on {verdict.data}, beside {beside} (job {verdict.job}, verdict {verdict.id}):",
        *_rules(verdict.rules),
        f"Until {until:%Y-%m-%d %H:%M %Z}, to approve or to refuse:",
        f'tidegate approve {record.model} {record.version} --verdict {verdict.id} --by ... --reason "..."',
    ]
    return _activity(
        record.model,
        "needs_approval",
        trigger,
        id=f"{record.version}-needs-approval-{verdict.id}",
        title=f"{name} waits for approval",
        text="\n".join(lines),
        data={
            "model": record.model,
            "version": record.version,
            "verdict": verdict.id,
            "until": until.isoformat(),
        },
    )


def stopped(record: ModelVersion, why: str, trigger: Trigger) -> Activity:
    verdict = record.verdict.id if record.verdict else "none"
    return _activity(
        record.model,
        "refused",
        trigger,
        id=f"{record.version}-{record.state.value}-{verdict}",
        title=f"{record.model}:{record.version} is not promoted: it is {record.state.value}",
        text=f"{why}.",
        data={"model": record.model, "version": record.version, "state": record.state.value, "why": why},
    )


def promoted(model: Model, cause: str) -> Activity:
    """Of the champion that the model has now."""
    champion, before = _champion(model), model.previous
    return _activity(
        model.model,
        "promoted",
        Trigger(champion.since, cause),
        id=f"{champion.source}-promoted-{champion.since:%Y%m%dT%H%M%S}",
        title=f"{model.model}:{champion.version} is champion",
        text=f"By {champion.by}; version {champion.source} in development. {_instead(before)}",
        data=_champions(model),
    )


def rolled_back(model: Model, cause: str) -> Activity:
    champion = _champion(model)
    return _activity(
        model.model,
        "rolled_back",
        Trigger(champion.since, cause),
        id=f"{champion.source}-rolled-back-{champion.since:%Y%m%dT%H%M%S}",
        title=f"{model.model}:{champion.version} is champion again",
        text=f"{champion.by}. What was scored with the other keeps its model.",
        data=_champions(model),
    )


def _instead(before: Champion | None) -> str:
    if before is None:
        return "It is the first."
    return f"It takes the place of {before.version}; tidegate rollback brings that back."


def _champions(model: Model) -> dict[str, Any]:
    champion, before = _champion(model), model.previous
    return {
        "model": model.model,
        "champion": champion.version,
        "source": champion.source,
        "by": champion.by,
        "previous": before.version if before else None,
    }


def _champion(model: Model) -> Champion:
    if model.champion is None:
        raise ValueError(f"{model.model} has no champion")
    return model.champion


def _rules(rules: list[RuleResult]) -> Iterator[str]:
    for rule in rules[:_MOST_LINES]:
        where = f" [{rule.slice}]" if rule.slice else ""
        yield f"- {rule.metric}{where} {rule.rule}: {rule.why}".replace("-  ", "- ")
    if len(rules) > _MOST_LINES:
        yield f"- and {len(rules) - _MOST_LINES} more"


def _activity(model: str, word: str, trigger: Trigger, **told: Any) -> Activity:
    """`told`: id, title, text and data."""
    return Activity(
        subject=subject_of_model(model),
        kind=f"model.{word}",
        at=trigger.at,
        cause=trigger.cause,
        **told,
    )
