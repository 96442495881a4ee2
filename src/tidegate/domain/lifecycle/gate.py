"""The gate: compares what an evaluation measured with each rule of the policy.

It fails closed: a missing number fails every rule about it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.config.gate import Gate, Rule
from tidegate.config.model_sets import SetGate
from tidegate.domain.lifecycle.evidence import (
    Evidence,
    MetricComparison,
    MetricEstimate,
    MetricGroup,
    NoEvidence,
    SetFigures,
)
from tidegate.domain.lifecycle.verdict_records import RuleResult

_ROUNDING = 1e-9  # in binary, 0.8 - 0.005 is a little more than 0.795
_NUMBER = ".6g"


@dataclass(frozen=True)
class EvaluationSubject:
    """What an evaluation is about: `name:version` of the candidate, the champion and the holdout.

    `champion` is None if there is no champion yet.
    """

    candidate: str
    champion: str | None
    data: str


@dataclass(frozen=True)
class _Check:
    """A number compared with its bound. `value` is None if the evaluation has no such number."""

    value: float | None
    threshold: float | None
    passed: bool
    required: str


def decide_rules(
    gate: Gate,
    subject: EvaluationSubject,
    evidence: Evidence | NoEvidence,
    training: Mapping[str, float | None] | None = None,
) -> list[RuleResult]:
    """Decide each rule of the policy, and return one result for each.

    `training` has the metrics of the run that trained the model.
    """
    if isinstance(evidence, NoEvidence):
        return [_stated("evaluation", False, f"the evaluation failed: {evidence.why}")]
    lines = [_subject(subject, evidence), *_no_champion(gate, subject)]
    lines += _group(gate.metrics, evidence.whole, gate.min_n, subject)
    if gate.slices:
        lines += _slices(gate, subject, evidence)
    lines += _set_rules(gate.set, evidence.set or SetFigures(), subject.champion)
    for metric, rule in gate.training.items():
        figures = MetricComparison(candidate=MetricEstimate((training or {}).get(metric)))
        checks = _checks(rule, figures, None)
        lines += [_line(f"training {name}", metric, None, check) for name, check in checks]
    return lines


def passes(lines: Sequence[RuleResult]) -> bool:
    """Return whether every rule passed. Without any rule, the gate fails."""
    return bool(lines) and all(line.passed for line in lines)


def verdict_id(subject: EvaluationSubject, evaluation: int) -> str:
    """Return the verdict's id, derived from its subject, so that the same evaluation has the same verdict."""
    text = f"{subject.candidate} {subject.champion} {subject.data} {evaluation}"
    return f"e{evaluation}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _subject(subject: EvaluationSubject, evidence: Evidence) -> RuleResult:
    """Check that the evidence is about the evaluation's candidate, champion and holdout."""
    measured = EvaluationSubject(evidence.candidate, evidence.champion, evidence.data)
    if measured == subject:
        return _stated("subject", True, f"measured on {evidence.data}")
    return _stated("subject", False, f"the evidence is about {_describe(measured)}, not {_describe(subject)}")


def _no_champion(gate: Gate, subject: EvaluationSubject) -> Iterator[RuleResult]:
    if subject.champion is None and gate.no_champion == "absolute":
        yield _stated("no champion", True, "there is no champion yet: only min and max count")
    elif subject.champion is None:
        yield _stated(
            "no champion",
            False,
            "there is no champion to compare with, and the policy has no_champion: refuse",
        )


def _group(
    rules: Mapping[str, Rule],
    group: MetricGroup,
    min_n: int,
    subject: EvaluationSubject,
    slice: str | None = None,
) -> Iterator[RuleResult]:
    yield _line("min_n", "rows", slice, _at_least(group.n, min_n))
    for metric, rule in rules.items():
        for name, check in _checks(rule, group.metrics.get(metric, MetricComparison()), subject.champion):
            yield _line(name, metric, slice, check)


def _slices(gate: Gate, subject: EvaluationSubject, evidence: Evidence) -> Iterator[RuleResult]:
    assert gate.slices is not None
    if evidence.by != gate.slices.by or not evidence.slices:
        yield _stated("slices", False, f"the evaluation has no metrics by the column {gate.slices.by}")
        return
    for name, group in sorted(evidence.slices.items()):
        yield from _group(gate.slices.metrics, group, gate.slices.min_n, subject, name)


def _set_rules(rules: SetGate, figures: SetFigures, champion: str | None) -> Iterator[RuleResult]:
    """Check the rules for a model set as a whole. Without a champion no key can be worse."""
    if rules.min_coverage is not None:
        check = _at_least(figures.coverage, rules.min_coverage, " of the keys")
        yield _line("min_coverage", "coverage", None, check)
    if rules.max_share_failed is not None:
        check = _at_most(figures.share_failed, rules.max_share_failed, " of the keys")
        yield _line("max_share_failed", "share_failed", None, check)
    if rules.max_share_worse is not None and champion is not None:
        check = _at_most(figures.share_worse, rules.max_share_worse, " of the keys")
        yield _line("max_share_worse", "share_worse", None, check)


def _checks(rule: Rule, figures: MetricComparison, champion: str | None) -> Iterator[tuple[str, _Check]]:
    """Check each bound that a rule has."""
    value = figures.candidate.value
    if rule.min is not None:
        yield "min", _at_least(value, rule.min)
    if rule.max is not None:
        yield "max", _at_most(value, rule.max)
    for name, check in _COMPARED_WITH_CHAMPION.items():
        bound = getattr(rule, name)
        if bound is not None and champion is None:
            yield name, _Check(value, None, value is not None, "any number, as there is no champion yet")
        elif bound is not None:
            yield name, check(rule, figures, bound)


def _tolerance(rule: Rule, figures: MetricComparison, tolerance: float) -> _Check:
    value, champion = figures.candidate.value, figures.champion.value
    if champion is None:
        return _without_champion(value)
    comparison = f" (champion {champion:{_NUMBER}}, tolerance {tolerance:{_NUMBER}})"
    if rule.higher_is_better:
        return _at_least(value, champion - tolerance, comparison)
    return _at_most(value, champion + tolerance, comparison)


def _improvement(rule: Rule, figures: MetricComparison, least: float) -> _Check:
    value, champion = figures.candidate.value, figures.champion.value
    if champion is None:
        return _without_champion(value)
    gain = None if value is None else value - champion if rule.higher_is_better else champion - value
    return _at_least(gain, least, f" better than the champion's {champion:{_NUMBER}}")


def _non_inferiority(rule: Rule, figures: MetricComparison, margin: float) -> _Check:
    """Check the worse bound of the paired difference's confidence interval.

    The sign of the bound is changed if a lower metric is better.
    """
    low, high = figures.difference.low, figures.difference.high
    worst = low if rule.higher_is_better else None if high is None else -high
    required = f"the worse bound of the paired difference above {-margin:{_NUMBER}}"
    return _Check(worst, -margin, worst is not None and worst > -margin, required)


_COMPARED_WITH_CHAMPION: Mapping[str, Callable[[Rule, MetricComparison, float], _Check]] = {
    "champion_tolerance": _tolerance,
    "min_improvement": _improvement,
    "non_inferiority": _non_inferiority,
}


def _without_champion(value: float | None) -> _Check:
    return _Check(value, None, False, "a metric of the champion to compare with, which is missing")


def _at_least(value: float | None, bound: float, more: str = "") -> _Check:
    passed = value is not None and value >= bound - _ROUNDING
    return _Check(value, bound, passed, f"at least {bound:{_NUMBER}}{more}")


def _at_most(value: float | None, bound: float, more: str = "") -> _Check:
    passed = value is not None and value <= bound + _ROUNDING
    return _Check(value, bound, passed, f"at most {bound:{_NUMBER}}{more}")


def _line(rule: str, metric: str, slice: str | None, check: _Check) -> RuleResult:
    measured = "no number is given" if check.value is None else f"{check.value:{_NUMBER}}"
    return RuleResult(
        rule=rule,
        metric=metric,
        slice=slice,
        value=check.value,
        threshold=check.threshold,
        passed=check.passed,
        why=f"{measured}; required: {check.required}",
    )


def _stated(rule: str, passed: bool, why: str) -> RuleResult:
    """Return the result of a rule that is not about a number."""
    return RuleResult(rule=rule, metric="", value=None, threshold=None, passed=passed, why=why)


def _describe(subject: EvaluationSubject) -> str:
    return f"{subject.candidate}, compared with {subject.champion or 'no champion'}, on {subject.data}"
