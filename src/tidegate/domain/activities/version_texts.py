"""What notifications about a model version share: how they are made, and the lines about the gate's rules."""

from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import RuleResult

MOST_RULES = 40


def version_activity(  # noqa: PLR0913 - the fields of an activity
    record: ModelVersion, trigger: Trigger, *, id: str, kind: str, title: str, text: str, data: dict[str, Any]
) -> Activity:
    """Return an activity about a model version. `data` is what it has besides the model and the version."""
    return Activity(
        subject=model_subject(record.model),
        id=id,
        kind=kind,
        at=trigger.at,
        title=title,
        text=text,
        data={"model": record.model, "version": record.version, **data},
        cause=trigger.cause,
    )


def rule_lines(rules: Iterable[RuleResult]) -> Iterator[str]:
    """Yield a line for each rule: those that failed first."""
    ordered = sorted(rules, key=lambda rule: rule.passed)
    for rule in ordered[:MOST_RULES]:
        what = " ".join(filter(None, [rule.metric, f"[{rule.slice}]" if rule.slice else "", rule.rule]))
        yield f"{'+' if rule.passed else 'FAILED'} {what}: {rule.why}"
    if len(ordered) > MOST_RULES:
        yield f"and {len(ordered) - MOST_RULES} more"
