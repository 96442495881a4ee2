"""Judging again: what becomes of a verdict, and which versions a person may ask for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.config.model_policy import Policy
from tidegate.domain.lifecycle.evaluation import plan_evaluation
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import (
    next_number,
    rejudging_obstacle,
    request_for,
    with_request,
    without_verdict,
)
from tidegate.domain.lifecycle.verdict_records import (
    Approval,
    Evaluation,
    JudgingRequest,
    RuleResult,
    Verdict,
)

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "evaluate": {"pipeline": "evaluation", "data": "holdout:4", "compute": "cpu"},
        "gate": {"metrics": {"accuracy": {"min": 0.8}}},
    }
)


def a_line(*, passed: bool) -> RuleResult:
    why = "0.9; required: at least 0.8" * 5
    return RuleResult(rule="min", metric="accuracy", value=0.9, threshold=0.8, passed=passed, why=why)


def a_version(number: int = 1, lines: int = 1, **changes: Any) -> ModelVersion:
    verdict = Verdict(
        id=f"e{number}-abc",
        passed=False,
        mode="enforce",
        rules=[a_line(passed=one > 0) for one in range(lines)],
        data="holdout:4",
        champion=None,
        job=f"judge-m-3-e{number}-a1",
        at=NOW,
    )
    evaluation = Evaluation(number=number, job=verdict.job, data="holdout:4", champion=None, submitted_at=NOW)
    given = {"model": "m", "version": "3", "state": ModelState.REFUSED, "registered_at": NOW}
    return ModelVersion.model_validate({**given, "verdict": verdict, "evaluation": evaluation, **changes})


def a_request(number: int = 2) -> JudgingRequest:
    return JudgingRequest(number=number, by="Ada", reason="a better holdout", at=NOW)


def test_what_was_decided_is_void_and_remembered() -> None:
    approval = Approval(verdict="e1-abc", approved=True, by="Grace", reason="fine", at=NOW)
    record = a_version(approval=approval, error="accuracy: 0.7", due=NOW)

    record = with_request(record, a_request())

    assert record.state is ModelState.REGISTERED
    assert (record.verdict, record.approval, record.error, record.due) == (None, None, None, None)
    [past] = record.history
    assert (past.verdict.id, past.approval, past.state) == ("e1-abc", approval, ModelState.REFUSED)
    assert (past.error, past.why) == ("accuracy: 0.7", "Ada had it judged again: a better holdout")
    assert next_number(record) == 2


def test_the_record_that_is_given_stays_as_it_is() -> None:
    record = a_version(error="accuracy: 0.7")
    before = record.model_copy(deep=True)

    with_request(record, a_request())

    assert record == before


def test_a_request_is_found_by_the_number_of_the_evaluation_that_it_caused() -> None:
    record = with_request(a_version(), a_request(2))

    assert request_for(record, 2) == a_request(2)
    assert request_for(record, 1) is None


def test_however_often_it_is_judged_a_row_of_the_ledger_holds_it() -> None:
    record = a_version(lines=300)
    for number in range(1, 40):
        fresh = a_version(number, lines=300)
        record.verdict, record.evaluation = fresh.verdict, fresh.evaluation
        record = with_request(record, a_request(number + 1))

    assert [past.verdict.id for past in record.history] == [f"e{number}-abc" for number in range(30, 40)]
    assert all(not past.verdict.rules[0].passed for past in record.history)
    assert len(record.requests) == 20
    assert len(record.model_dump_json()) < 250_000


def test_what_has_no_verdict_leaves_none_behind() -> None:
    record = a_version(verdict=None, state=ModelState.FAILED)

    record = without_verdict(record, "for a test", NOW)

    assert record.history == []


def test_the_job_of_an_evaluation_that_was_asked_for_says_why() -> None:
    record = with_request(a_version(), a_request())
    second = Evaluation(number=2, job="judge-m-3-e2-a1", data="holdout:5", champion=None, submitted_at=NOW)

    asked = plan_evaluation(POLICY, record, second)
    later = plan_evaluation(POLICY, record, second.model_copy(update={"number": 3}))

    assert asked.tags["tidegate_reason"] == "a better holdout"
    assert "tidegate_reason" not in later.tags


@pytest.mark.parametrize(
    "state",
    [
        ModelState.REFUSED,
        ModelState.OBSERVED,
        ModelState.EXPIRED,
        ModelState.PASSED,
        ModelState.FAILED,
        ModelState.RETIRED,
        ModelState.ROLLED_BACK,
    ],
)
def test_what_has_come_to_an_end_can_be_judged_again(state: ModelState) -> None:
    assert rejudging_obstacle(a_version(state=state), Model(model="m")) is None


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (ModelState.REGISTERED, "is being judged"),
        (ModelState.EVALUATING, "is being judged"),
        (ModelState.PROMOTING, "is being promoted to production"),
        (ModelState.CHALLENGER, "is being promoted to production"),
        (ModelState.CHAMPION, "is champion"),
    ],
)
def test_what_is_under_way_or_champion_cannot(state: ModelState, why: str) -> None:
    champion = Champion(version="3", source="3", since=NOW, by="verdict")
    model = Model(model="m", champion=champion if state is ModelState.CHAMPION else None)

    assert why in str(rejudging_obstacle(a_version(state=state), model))


def test_what_a_rollback_goes_back_to_keeps_what_it_needs_for_that() -> None:
    model = Model(model="m", previous=Champion(version="3", source="3", since=NOW, by="verdict"))

    assert "rollback" in str(rejudging_obstacle(a_version(state=ModelState.RETIRED), model))
