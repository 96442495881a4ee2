"""The gate, by tables: each rule at its edge, and everything that is no number."""

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.gate import Gate
from tidegate.domain.lifecycle.evidence import Evidence, NoEvidence, decoder_problem, read_evidence
from tidegate.domain.lifecycle.gate import EvaluationSubject, decide_rules, passes

QUESTION = EvaluationSubject("m:3", "m:2", "holdout:4")
ALONE = EvaluationSubject("m:3", None, "holdout:4")


def a_metric(value: Any = 0.9, beside: Any = 0.88, low: Any = -0.01, high: Any = 0.05) -> dict[str, Any]:
    return {
        "candidate": {"value": value, "low": 0.0, "high": 1.0},
        "champion": {"value": beside, "low": 0.0, "high": 1.0},
        "difference": {"value": 0.02, "low": low, "high": high},
    }


def evidence(**changes: Any) -> bytes:
    content = {
        "candidate": "m:3",
        "champion": "m:2",
        "data": "holdout:4",
        "n": 500,
        "metrics": {"accuracy": a_metric()},
        "slices": {"by": "camera", "values": {"a": {"n": 60, "metrics": {"accuracy": a_metric()}}}},
    } | changes
    return json.dumps(content).encode()


def verdict(
    content: bytes, question: EvaluationSubject = QUESTION, *, run: Any = None, **gate: Any
) -> tuple[bool, str]:
    policy = Gate.model_validate({"metrics": {"accuracy": {"min": 0.8}}} | gate)
    lines = decide_rules(policy, question, read_evidence(content), run)
    told = "\n".join(
        f"{line.rule} {line.metric} {line.slice}: {line.why}" for line in lines if not line.passed
    )
    return passes(lines), told


@pytest.mark.parametrize(
    ("rule", "figures", "passed"),
    [
        ({"min": 0.8}, {"value": 0.8}, True),
        ({"min": 0.8}, {"value": 0.7999}, False),
        ({"max": 0.2}, {"value": 0.2}, True),
        ({"max": 0.2}, {"value": 0.2001}, False),
        ({"champion_tolerance": 0.005}, {"value": 0.795, "beside": 0.8}, True),
        ({"champion_tolerance": 0.005}, {"value": 0.794, "beside": 0.8}, False),
        ({"champion_tolerance": 0.1, "higher_is_better": False}, {"value": 1.1, "beside": 1.0}, True),
        ({"champion_tolerance": 0.1, "higher_is_better": False}, {"value": 1.2, "beside": 1.0}, False),
        ({"min_improvement": 0.01}, {"value": 0.91, "beside": 0.9}, True),
        ({"min_improvement": 0.01}, {"value": 0.905, "beside": 0.9}, False),
        ({"min_improvement": 0.1, "higher_is_better": False}, {"value": 0.5, "beside": 0.7}, True),
        ({"min_improvement": 0.1, "higher_is_better": False}, {"value": 0.7, "beside": 0.5}, False),
        ({"non_inferiority": 0.02}, {"low": -0.0199}, True),
        ({"non_inferiority": 0.02}, {"low": -0.02}, False),
        ({"non_inferiority": 0.02, "higher_is_better": False}, {"high": 0.01}, True),
        ({"non_inferiority": 0.02, "higher_is_better": False}, {"high": 0.03}, False),
        ({"min": 0.8, "champion_tolerance": 0.005}, {"value": 0.85, "beside": 0.9}, False),
    ],
)
def test_each_rule_holds_at_its_edge_and_not_beyond(
    rule: dict[str, Any], figures: dict[str, Any], passed: bool
) -> None:
    found, why = verdict(evidence(metrics={"accuracy": a_metric(**figures)}), metrics={"accuracy": rule})

    assert found is passed, why


# The largest float, and the same number rounded, are what MLflow keeps in place of infinity.
LARGEST = sys.float_info.max
NO_NUMBERS = [
    None,
    "0.99",
    math.nan,
    math.inf,
    -math.inf,
    True,
    [0.9],
    {},
    10**400,
    LARGEST,
    -LARGEST,
    1.7977e308,
]


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"min": 0.0}, "value"),
        ({"max": 1e308}, "value"),
        ({"champion_tolerance": 5}, "value"),
        ({"champion_tolerance": 5}, "beside"),
        ({"min_improvement": -5}, "beside"),
        ({"non_inferiority": 5}, "low"),
        ({"non_inferiority": 5, "higher_is_better": False}, "high"),
    ],
)
def test_what_is_no_number_fails_every_rule_about_it(rule: dict[str, Any], place: str, value: Any) -> None:
    content = evidence(metrics={"accuracy": a_metric(**{place: value})})

    passed, why = verdict(content, metrics={"accuracy": rule})

    assert not passed
    assert "accuracy" in why


def test_a_metric_that_was_not_measured_fails() -> None:
    passed, why = verdict(evidence(), metrics={"accuracy": {"min": 0.8}, "f1": {"max": 1.0}})

    assert not passed
    assert "max f1 None: no number is given" in why


@pytest.mark.parametrize(("n", "passed"), [(30, True), (29, False), (None, False), ("500", False)])
def test_too_few_rows_fail(n: Any, passed: bool) -> None:
    assert verdict(evidence(n=n))[0] is passed


SLICES = {"by": "camera", "min_n": 50, "metrics": {"accuracy": {"min": 0.7}}}


@pytest.mark.parametrize(
    ("slices", "why"),
    [
        ({"by": "camera", "values": {"a": {"n": 50, "metrics": {"accuracy": a_metric(0.7)}}}}, ""),
        (
            {
                "by": "camera",
                "values": {
                    "a": {"n": 50, "metrics": {"accuracy": a_metric(0.9)}},
                    "b": {"n": 50, "metrics": {"accuracy": a_metric(0.6)}},
                },
            },
            "min accuracy b: 0.6; required: at least 0.7",
        ),
        ({"by": "camera", "values": {"a": {"n": 49, "metrics": {"accuracy": a_metric()}}}}, "min_n rows a"),
        ({"by": "camera", "values": {"a": {"n": 50, "metrics": {}}}}, "min accuracy a: no number"),
        ({"by": "country", "values": {"a": {"n": 50, "metrics": {}}}}, "no metrics by the column camera"),
        ({"by": "camera", "values": {}}, "no metrics by the column camera"),
        ({"by": "camera", "values": {"a": "bad"}}, "min_n rows a"),
        (None, "no metrics by the column camera"),
    ],
)
def test_each_slice_is_judged_with_its_own_rows(slices: Any, why: str) -> None:
    passed, told = verdict(evidence(slices=slices), slices=SLICES)

    assert passed is not bool(why)
    assert why in told


def test_without_a_champion_only_absolute_rules_count_and_it_is_said() -> None:
    content = evidence(champion=None, metrics={"accuracy": a_metric(0.9) | {"champion": None}})
    rules = {"accuracy": {"min": 0.8, "champion_tolerance": 0.0, "non_inferiority": 0.0}}

    assert verdict(content, ALONE, metrics=rules) == (True, "")
    passed, why = verdict(content, ALONE, metrics=rules, no_champion="refuse")
    assert not passed
    assert "no champion" in why


def test_without_a_champion_a_metric_that_is_missing_still_fails() -> None:
    content = evidence(champion=None, metrics={})

    assert not verdict(content, ALONE, metrics={"accuracy": {"min_improvement": 0.1}})[0]


@pytest.mark.parametrize(
    "other", [{"candidate": "m:2"}, {"champion": "m:1"}, {"champion": None}, {"data": "holdout:5"}]
)
def test_numbers_about_something_else_say_nothing(other: dict[str, Any]) -> None:
    passed, why = verdict(evidence(**other))

    assert not passed
    assert "the evidence is about" in why


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 200_000, b'"text"'])
def test_evidence_that_cannot_be_read_fails(content: bytes) -> None:
    assert isinstance(read_evidence(content), NoEvidence)
    assert not verdict(content)[0]


@pytest.mark.parametrize(
    ("pipeline", "verdict", "problem"),
    [
        ("2", "2", None),
        (None, "1", None),
        ("1", None, None),
        ("2", "1", "it was judged with images of decoder 1, and is given images of decoder 2"),
        ("2", None, "it was judged with images of decoder 1, and is given images of decoder 2"),
    ],
)
def test_a_verdict_holds_for_the_decoder_that_it_was_made_with(
    pipeline: str | None, verdict: str | None, problem: str | None
) -> None:
    assert decoder_problem(pipeline, verdict) == problem


def test_a_failed_evaluation_fails_with_its_reason() -> None:
    gate = Gate.model_validate({"metrics": {"accuracy": {"min": 0.0}}})

    lines = decide_rules(gate, QUESTION, NoEvidence("the holdout has no column label"))

    assert not passes(lines)
    assert "no column label" in lines[0].why


@pytest.mark.parametrize(
    ("training", "passed"),
    [({"loss": 0.2}, True), ({"loss": 0.4}, False), ({}, False), ({"loss": None}, False)],
)
def test_the_metrics_of_the_training_run_can_be_judged(training: dict[str, Any], passed: bool) -> None:
    assert verdict(evidence(), run=training, training={"loss": {"max": 0.3}})[0] is passed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, n=JSON, slices=JSON, beside=JSON)
def test_whatever_stands_in_the_evidence_passes_only_with_a_number_that_holds(
    value: Any, n: Any, slices: Any, beside: Any
) -> None:
    metric = {"candidate": {"value": value}, "champion": beside, "difference": beside}

    passed, _ = verdict(evidence(n=n, slices=slices, metrics={"accuracy": metric}))

    numbers = all(type(one) in (int, float) and abs(one) < 1.797e308 for one in (value, n))
    assert passed is (numbers and value >= 0.8 - 1e-9 and n >= 30 - 1e-9)


def test_the_evidence_is_read_as_it_stands() -> None:
    seen = read_evidence(evidence())

    assert isinstance(seen, Evidence)
    assert (seen.whole.n, seen.whole.metrics["accuracy"].difference.low) == (500, -0.01)
    assert list(seen.slices) == ["a"]


SET = {"members": 200, "coverage": 0.99, "share_failed": 0.05, "share_worse": 0.1, "kept": 20, "dropped": 0}
SET_RULES = {"min_coverage": 0.99, "max_share_failed": 0.05, "max_share_worse": 0.1}


@pytest.mark.parametrize(
    ("figures", "failed"),
    [
        (SET, ""),
        (SET | {"coverage": 0.989}, "min_coverage"),
        (SET | {"share_failed": 0.051}, "max_share_failed"),
        (SET | {"share_worse": 0.11}, "max_share_worse"),
        (SET | {"share_worse": None}, "max_share_worse"),
        (SET | {"coverage": math.nan}, "min_coverage"),
    ],
)
def test_a_set_is_judged_as_a_whole_too(figures: dict[str, Any], failed: str) -> None:
    passed, told = verdict(evidence(set=figures), set=SET_RULES)

    assert (passed, failed in told) == (not failed, True)


def test_rules_for_a_set_fail_without_figures_of_a_set() -> None:
    passed, told = verdict(evidence(), set=SET_RULES)

    assert not passed
    assert told.count("no number is given") == 3


def test_without_a_champion_no_key_can_be_worse() -> None:
    figures = {"coverage": 1.0, "share_failed": 0.0}

    assert verdict(evidence(champion=None, set=figures), ALONE, set=SET_RULES)[0]
