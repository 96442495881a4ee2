"""The figures of an evaluation are scikit-learn's, resampled all at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intervals import counted, log_loss, mcnemar
from sklearn import metrics

DRAWS = 250  # scikit-learn takes milliseconds for each
ROWS = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=2, max_size=40)


def of_sklearn(truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
    macro = metrics.precision_recall_fscore_support(truth, answer, average="macro", zero_division=0.0)
    names = ("precision_macro", "recall_macro", "f1_macro")
    return {"accuracy": metrics.accuracy_score(truth, answer), **dict(zip(names, macro[:3], strict=True))}


@settings(max_examples=25)
@given(ROWS)
def test_values_and_their_difference_are_scikit_learns(rows: list[tuple[int, int, int]]) -> None:
    truth, first, second = np.array(rows).T

    found = counted(truth, [first, second], 0.95)

    expected_first, expected_second = of_sklearn(truth, first), of_sklearn(truth, second)
    for metric, (candidate, champion, difference) in found.items():
        assert candidate.value == pytest.approx(expected_first[metric])
        assert champion.value == pytest.approx(expected_second[metric])
        assert difference.value == pytest.approx(expected_first[metric] - expected_second[metric])


def test_the_bounds_are_those_of_resamples_that_scikit_learn_measures_one_by_one() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 5, size=80)
    answer = np.where(random.random(80) < 0.8, truth, random.integers(0, 5, size=80))
    draws = [random.integers(0, 80, size=80) for _ in range(DRAWS)]
    one_by_one = [metrics.f1_score(truth[rows], answer[rows], average="macro") for rows in draws]

    estimate = counted(truth, [answer], 0.9)["f1_macro"][0]

    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(one_by_one, [0.05, 0.95]), abs=0.02)


def test_a_model_without_errors_may_still_err() -> None:
    truth = np.arange(20) % 4

    accuracy = counted(truth, [truth], 0.95)["accuracy"][0]

    assert accuracy.value == accuracy.high == 1.0
    assert 0.8 < accuracy.low < 0.9  # Wilson's interval


def test_the_same_rows_give_the_same_bounds_again() -> None:
    truth, answer = np.arange(30) % 3, np.arange(30) % 4 % 3

    assert counted(truth, [answer], 0.95) == counted(truth, [answer], 0.95)


def test_one_row_has_no_interval() -> None:
    one = np.array([0])

    found = counted(one, [one, one], 0.95)["f1_macro"]

    assert [estimate.value for estimate in found] == [1.0, 1.0, 0.0]
    assert all(math.isnan(estimate.low) and math.isnan(estimate.high) for estimate in found)


def test_log_loss_is_scikit_learns_and_a_certain_mistake_stays_finite() -> None:
    table = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    truth = np.array([0, 1, 1])

    (alone,) = log_loss([table[np.arange(3), truth]], 0.95)
    (_, mistaken, _) = log_loss([np.ones(3), np.zeros(3)], 0.95)

    assert alone.value == pytest.approx(metrics.log_loss(truth, table))
    assert alone.low <= alone.value <= alone.high
    assert math.isfinite(mistaken.value)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10), (0, 10, 2 / 2**10)],
)
def test_mcnemar_weighs_the_rows_on_which_one_model_alone_is_right(
    only_first: int, only_second: int, p_value: float
) -> None:
    truth = np.zeros(only_first + only_second + 7, dtype=int)
    first, second = truth.copy(), truth.copy()
    second[:only_first] = 1
    first[only_first : only_first + only_second] = 1

    found = mcnemar(truth, first, second)

    assert (found["candidate_only"], found["champion_only"]) == (only_first, only_second)
    assert found["p_value"] == pytest.approx(p_value)
