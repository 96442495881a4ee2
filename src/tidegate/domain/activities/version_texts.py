"""What the notifications about a model version share: its ids, and the lines about the rules of the gate."""

from collections.abc import Iterable, Iterator

from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import RuleResult

MOST_RULES = 40


def version_ids(record: ModelVersion) -> dict[str, object]:
    """Return the data by which programs find the version."""
    return {"model": record.model, "version": record.version}


def rule_lines(rules: Iterable[RuleResult]) -> Iterator[str]:
    """Yield a line for each rule: those that failed first."""
    ordered = sorted(rules, key=lambda rule: rule.passed)
    for rule in ordered[:MOST_RULES]:
        what = " ".join(filter(None, [rule.metric, f"[{rule.slice}]" if rule.slice else "", rule.rule]))
        yield f"{'+' if rule.passed else 'FAILED'} {what}: {rule.why}"
    if len(ordered) > MOST_RULES:
        yield f"and {len(ordered) - MOST_RULES} more"
