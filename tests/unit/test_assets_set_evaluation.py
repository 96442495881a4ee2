"""What is decided for each key of a set, and the evidence about the whole set."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from error_evidence import ErrorSums, TooManySlicesError, measured, sliced, totals
from member_rule import MemberDecision, MemberResult, MemberRule, decide_member
from model_sets.key_errors import sums_of
from set_counts import counts_of

from tidegate.domain.lifecycle.evidence import Evidence, read_evidence

RULE = MemberRule("mae", tolerance=0.1, min_n=10)
NAN_MEMBER = MemberResult(False, why="3 of 28 forecasts are no finite numbers")


def decide(
    candidate: float | MemberResult,
    champion: float | MemberResult | None,
    rows: int = 28,
    then: str = "keep_champion",
) -> MemberDecision:
    sides = [
        MemberResult(True, side) if isinstance(side, (int, float)) else side for side in (candidate, champion)
    ]
    assert sides[0] is not None
    return decide_member(MemberRule("mae", 0.1, 10, then), sides[0], sides[1], rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("candidate", "champion", "rows", "choice", "comparison"),
    [
        (10, 11, 28, "candidate", "better"),
        (11, 10, 28, "candidate", "better"),  # as bad as the tolerance allows
        (11.1, 10, 28, "champion", "worse"),
        (0, 0, 28, "candidate", "better"),
        (0.1, 0, 28, "champion", "worse"),  # a share of nothing is nothing
        (1, 10, 9, "champion", "undecided"),
        (1, 10, 10, "candidate", "better"),
        (math.nan, math.nan, 28, "champion", "undecided"),
        (1, None, 28, "candidate", "new"),
        (1, NAN_MEMBER, 28, "candidate", "new"),
        (NAN_MEMBER, 1, 28, "champion", "lost"),
        (NAN_MEMBER, None, 28, "none", "none"),
    ],
)
def test_each_key_gets_the_member_that_the_rule_says(
    candidate: float | MemberResult,
    champion: float | MemberResult | None,
    rows: int,
    choice: str,
    comparison: str,
) -> None:
    decision = decide(candidate, champion, rows)

    assert (decision.choice, decision.comparison) == (choice, comparison)
    assert decision.reason


@pytest.mark.parametrize(
    ("then", "choice"), [("keep_champion", "champion"), ("take", "candidate"), ("drop", "none")]
)
def test_the_policy_says_what_goes_on_if_the_candidate_is_worse(then: str, choice: str) -> None:
    decision = decide(12, 10, then=then)

    assert (decision.choice, decision.comparison) == (choice, "worse")
    assert "mae 12, champion 10" in decision.reason


@pytest.mark.parametrize(
    ("then", "choice"), [("keep_champion", "champion"), ("take", "none"), ("drop", "none")]
)
def test_a_candidate_without_forecasts_is_replaced_only_if_the_policy_keeps_champions(
    then: str, choice: str
) -> None:
    decision = decide(NAN_MEMBER, 10, then=then)

    assert decision.choice == choice
    assert NAN_MEMBER.why in decision.reason


def sums(*errors: Sequence[float], actual: float = 10) -> np.ndarray:
    """Return the sums of keys, of which each has rows with these errors."""
    return np.stack(
        [sums_of(np.full(len(key), actual), actual + np.array(key, dtype=float)) for key in errors]
    )


def test_totals_and_intervals_are_those_of_the_rows_that_both_sets_forecast() -> None:
    candidate, champion = sums([1, 1], [2, 2], []), sums([2, 2], [3, 3], [9, 9])
    both = (candidate, sums([2, 2], [3, 3], []))

    evidence = measured(ErrorSums(candidate, both), 0.95)

    assert evidence["n"] == 4
    assert evidence["metrics"]["mae"]["candidate"]["value"] == 1.5
    assert evidence["metrics"]["mae"]["champion"]["value"] == 2.5
    assert evidence["metrics"]["mae"]["difference"] == {"value": -1, "low": -1, "high": -1}  # paired by key
    assert (
        evidence["metrics"]["mae"]["candidate"]["low"],
        evidence["metrics"]["mae"]["candidate"]["high"],
    ) == (1, 2)
    assert totals(champion)["mae"] == {"value": pytest.approx(28 / 6), "rows": 6}


def test_evidence_of_one_key_has_no_intervals_and_no_numbers_that_json_lacks() -> None:
    evidence = measured(ErrorSums(sums([1, 3], actual=0)), 0.95)

    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    assert evidence["metrics"]["mae"]["candidate"] == {"value": 2, "low": None, "high": None}
    assert evidence["metrics"]["mae"]["champion"] is None
    assert evidence["metrics"]["mape"]["candidate"]["value"] is None
    assert evidence["undefined"]["mape"] == "all actual values are 0, so there is no percentage error"
    assert (evidence["rows"]["mae"], evidence["rows"]["mape"]) == (2, 0)


def test_slices_add_up_and_the_gate_reads_them() -> None:
    candidate = sums([1], [2], [3, 3])
    evidence = measured(ErrorSums(candidate), 0.95) | {
        "candidate": "sales:2",
        "champion": None,
        "data": "sales:1",
        "slices": sliced(ErrorSums(candidate), "store", ["001", "1", "001"], 0.95),
    }

    read = read_evidence(json.dumps(evidence).encode())

    assert isinstance(read, Evidence)
    assert {name: group.n for name, group in read.slices.items()} == {"001": 3, "1": 1}
    assert read.slices["001"].metrics["mae"].candidate.value == pytest.approx(7 / 3)
    assert read.whole.n == 4


def test_too_many_slices_are_refused_by_name() -> None:
    many = [str(number) for number in range(1_001)]

    with pytest.raises(TooManySlicesError, match="the column store has 1001 values"):
        sliced(ErrorSums(sums(*[[1.0]] * 1_001)), "store", many, 0.95)


def test_each_key_is_counted_once_and_lost_keys_count_as_worse() -> None:
    decisions = [
        decide(1, 2),
        decide(9, 2),
        decide(9, 2, then="drop"),
        decide(1, 2, rows=1),
        decide(NAN_MEMBER, 2),
        decide(1, None),
        decide(NAN_MEMBER, None),
    ]

    states = ["candidate"] * 4 + ["failed", "candidate", "missing"]
    counts = counts_of(decisions, states, [state == "candidate" for state in states])

    assert (
        counts["keys"]
        == 7
        == sum(counts[name] for name in ("better", "worse", "undecided", "lost", "new")) + 1
    )
    assert (counts["took"], counts["kept"], counts["dropped"]) == (2, 3, 1)
    assert counts["share_worse"] == pytest.approx(3 / 5)
    assert (counts["share_failed"], counts["coverage"]) == (pytest.approx(1 / 7), pytest.approx(5 / 7))
