"""The gate asks a CI pipeline after the other rules have passed, and fails closed."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.records import NOW

from tidegate.config.gate import External
from tidegate.domain.lifecycle.external_check import (
    AskPipeline,
    AwaitPipeline,
    ExternalDecided,
    decide_external,
    with_result,
)
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Evaluation, ExternalCheck, ExternalVerdict, Verdict
from tidegate.errors import RefusedError

RULE = External(within=timedelta(hours=2))
CHECK = ExternalCheck(evaluation=1, asked_at=NOW, until=NOW + timedelta(hours=2))


def version(check: ExternalCheck | None = None, **fields: Any) -> ModelVersion:
    evaluation = Evaluation(job="j", data="holdout:4", champion=None, submitted_at=NOW)
    return ModelVersion(
        model="classifier",
        version="7",
        registered_at=NOW,
        **{"state": ModelState.EVALUATING, "evaluation": evaluation, "external": check, **fields},
    )


def verdict(*, passed: bool = True) -> Verdict:
    return Verdict(id="e1", passed=passed, mode="enforce", rules=[], data="h", champion=None, job="j", at=NOW)


def answer(minutes: float = 10, *, passed: bool = True, detail: str = "212 tests") -> ExternalVerdict:
    at = NOW + timedelta(minutes=minutes)
    return ExternalVerdict(passed=passed, detail=detail, url="https://ci.example.com/17", by="ci", at=at)


def test_without_the_rule_the_verdict_stays() -> None:
    given = verdict()

    assert decide_external(None, version(), given, NOW) == ExternalDecided(given)


def test_the_pipeline_is_asked_once_for_each_evaluation() -> None:
    asked = decide_external(RULE, version(), verdict(), NOW)
    waits = decide_external(RULE, version(CHECK), verdict(), NOW + timedelta(minutes=30))
    again = decide_external(
        RULE, version(CHECK.model_copy(update={"evaluation": 0})), verdict(), NOW + timedelta(days=1)
    )

    assert asked == AskPipeline(CHECK)
    assert waits == AwaitPipeline(CHECK, timedelta(minutes=90))
    assert isinstance(again, AskPipeline)


def test_an_answer_becomes_a_rule_of_the_verdict() -> None:
    for passed in (True, False):
        record = with_result(version(CHECK), answer(passed=passed), 1)
        step = decide_external(RULE, record, verdict(), NOW + timedelta(days=1))

        assert isinstance(step, ExternalDecided)
        assert step.verdict.passed is passed
        [line] = step.verdict.rules
        word = "passed" if passed else "failed"
        assert line.why == f"ci says {word}: 212 tests (https://ci.example.com/17)"


def test_without_an_answer_in_time_the_gate_fails_closed() -> None:
    step = decide_external(RULE, version(CHECK), verdict(), CHECK.until)

    assert isinstance(step, ExternalDecided)
    assert not step.verdict.passed
    assert step.verdict.rules[0].why == "no verdict came until 2026-12-03 14:00 UTC"


def test_a_version_that_other_rules_refuse_is_not_given_to_the_pipeline() -> None:
    step = decide_external(RULE, version(), verdict(passed=False), NOW)

    assert isinstance(step, ExternalDecided)
    assert (step.verdict.passed, len(step.verdict.rules)) == (False, 1)


ANSWERED = CHECK.model_copy(update={"result": answer()})


@pytest.mark.parametrize(
    ("record", "given", "evaluation", "why"),
    [
        (version(), answer(), None, "awaits no verdict of a pipeline, it is evaluating"),
        (version(CHECK), answer(), 2, "on evaluation 1 of classifier:7, not on 2"),
        (version(CHECK), answer(120), None, "ended at 2026-12-03 14:00 UTC. To ask again"),
        (version(CHECK, state=ModelState.REFUSED), answer(), None, "The rule is closed"),
        (
            version(CHECK.model_copy(update={"result": answer()})),
            answer(passed=False),
            None,
            "ci gave the verdict passed",
        ),
    ],
)
def test_an_answer_that_cannot_count_is_refused_with_the_reason(
    record: ModelVersion, given: ExternalVerdict, evaluation: int | None, why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        with_result(record, given, evaluation)


def test_the_same_answer_again_changes_nothing_even_after_the_time() -> None:
    record = version(CHECK.model_copy(update={"result": answer()}), state=ModelState.PASSED)

    assert with_result(record, answer(500), 1) is record
