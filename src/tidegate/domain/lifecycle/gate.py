"""The gate: from what an evaluation measured to the evidence for each rule. Pure; computes no statistics.

It fails closed: a number that is missing fails every rule about it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.config.model_policy import Gate, Rule
from tidegate.domain.lifecycle.evidence import (
    Evidence,
    MetricComparison,
    MetricEstimate,
    MetricGroup,
    NoEvidence,
)
from tidegate.domain.lifecycle.verdict_records import RuleResult

_ROUNDING = 1e-9  # 0.8 - 0.005 is a little more than 0.795 in binary
_NUMBER = ".6g"


@dataclass(frozen=True)
class EvaluationSubject:
    """What was to be judged: `name:version` of candidate, champion (None: there is none yet) and holdout."""

    candidate: str
    champion: str | None
    data: str


@dataclass(frozen=True)
class _Test:
    """A number against what was asked of it; None where the evaluation gives no number."""

    value: float | None
    threshold: float | None
    passed: bool
    asked: str


def decide_rules(
    gate: Gate,
    question: EvaluationSubject,
    seen: Evidence | NoEvidence,
    training: Mapping[str, float | None] | None = None,
) -> list[RuleResult]:
    """One line for each rule of the policy; `training` are the metrics of the run that made the model."""
    if isinstance(seen, NoEvidence):
        return [_stated("evaluation", False, f"the evaluation failed: {seen.why}")]
    lines = [_subject(question, seen), *_no_champion(gate, question)]
    lines += _group(gate.metrics, seen.whole, gate.min_n, question)
    if gate.slices:
        lines += _slices(gate, question, seen)
    for metric, rule in gate.training.items():
        figures = MetricComparison(candidate=MetricEstimate((training or {}).get(metric)))
        tests = _tests(rule, figures, None)
        lines += [_line(f"training {name}", metric, None, test) for name, test in tests]
    return lines


def passes(lines: Sequence[RuleResult]) -> bool:
    """Where nothing was judged, nothing has passed."""
    return bool(lines) and all(line.passed for line in lines)


def verdict_id(question: EvaluationSubject, evaluation: int) -> str:
    """The same question has the same verdict; an approval names it."""
    text = f"{question.candidate} {question.champion} {question.data} {evaluation}"
    return f"e{evaluation}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _subject(question: EvaluationSubject, seen: Evidence) -> RuleResult:
    """Numbers about something else say nothing."""
    about = EvaluationSubject(seen.candidate, seen.champion, seen.data)
    if about == question:
        return _stated("subject", True, f"measured on {seen.data}")
    return _stated("subject", False, f"the evidence is about {_words(about)}, not {_words(question)}")


def _no_champion(gate: Gate, question: EvaluationSubject) -> Iterator[RuleResult]:
    if question.champion is None and gate.no_champion == "absolute":
        yield _stated("no champion", True, "there is no champion yet: only min and max count")
    elif question.champion is None:
        yield _stated(
            "no champion", False, "there is no champion to compare with, and the policy refuses then"
        )


def _group(
    rules: Mapping[str, Rule],
    group: MetricGroup,
    min_n: int,
    question: EvaluationSubject,
    slice: str | None = None,
) -> Iterator[RuleResult]:
    yield _line("min_n", "rows", slice, _at_least(group.n, min_n))
    for metric, rule in rules.items():
        for name, test in _tests(rule, group.metrics.get(metric, MetricComparison()), question.champion):
            yield _line(name, metric, slice, test)


def _slices(gate: Gate, question: EvaluationSubject, seen: Evidence) -> Iterator[RuleResult]:
    assert gate.slices is not None
    if seen.by != gate.slices.by or not seen.slices:
        yield _stated("slices", False, f"the evaluation gives no figures by {gate.slices.by}")
        return
    for name, group in sorted(seen.slices.items()):
        yield from _group(gate.slices.metrics, group, gate.slices.min_n, question, name)


def _tests(rule: Rule, figures: MetricComparison, champion: str | None) -> Iterator[tuple[str, _Test]]:
    """What each bound of a rule asks for."""
    value = figures.candidate.value
    if rule.min is not None:
        yield "min", _at_least(value, rule.min)
    if rule.max is not None:
        yield "max", _at_most(value, rule.max)
    for name, test in _BESIDE_CHAMPION.items():
        bound = getattr(rule, name)
        if bound is not None and champion is None:
            yield name, _Test(value, None, value is not None, "any number, as there is no champion yet")
        elif bound is not None:
            yield name, test(rule, figures, bound)


def _tolerance(rule: Rule, figures: MetricComparison, tolerance: float) -> _Test:
    value, champion = figures.candidate.value, figures.champion.value
    if champion is None:
        return _without_champion(value)
    beside = f" (champion {champion:{_NUMBER}}, tolerance {tolerance:{_NUMBER}})"
    if rule.higher_is_better:
        return _at_least(value, champion - tolerance, beside)
    return _at_most(value, champion + tolerance, beside)


def _improvement(rule: Rule, figures: MetricComparison, least: float) -> _Test:
    value, champion = figures.candidate.value, figures.champion.value
    if champion is None:
        return _without_champion(value)
    gain = None if value is None else value - champion if rule.higher_is_better else champion - value
    return _at_least(gain, least, f" better than the champion's {champion:{_NUMBER}}")


def _non_inferiority(rule: Rule, figures: MetricComparison, margin: float) -> _Test:
    """By the worse end of the paired difference's interval, as if higher were better."""
    low, high = figures.difference.low, figures.difference.high
    worst = low if rule.higher_is_better else None if high is None else -high
    asked = f"the worse bound of the paired difference above {-margin:{_NUMBER}}"
    return _Test(worst, -margin, worst is not None and worst > -margin, asked)


_BESIDE_CHAMPION: Mapping[str, Callable[[Rule, MetricComparison, float], _Test]] = {
    "champion_tolerance": _tolerance,
    "min_improvement": _improvement,
    "non_inferiority": _non_inferiority,
}


def _without_champion(value: float | None) -> _Test:
    return _Test(value, None, False, "a figure of the champion beside it, which is missing")


def _at_least(value: float | None, bound: float, more: str = "") -> _Test:
    passed = value is not None and value >= bound - _ROUNDING
    return _Test(value, bound, passed, f"at least {bound:{_NUMBER}}{more}")


def _at_most(value: float | None, bound: float, more: str = "") -> _Test:
    passed = value is not None and value <= bound + _ROUNDING
    return _Test(value, bound, passed, f"at most {bound:{_NUMBER}}{more}")


def _line(rule: str, metric: str, slice: str | None, test: _Test) -> RuleResult:
    seen = "no number is given" if test.value is None else f"{test.value:{_NUMBER}}"
    return RuleResult(
        rule=rule,
        metric=metric,
        slice=slice,
        value=test.value,
        threshold=test.threshold,
        passed=test.passed,
        why=f"{seen}; asked: {test.asked}",
    )


def _stated(rule: str, passed: bool, why: str) -> RuleResult:
    """A rule that is about no number."""
    return RuleResult(rule=rule, metric="", value=None, threshold=None, passed=passed, why=why)


def _words(question: EvaluationSubject) -> str:
    return f"{question.candidate} beside {question.champion or 'no champion'} on {question.data}"
