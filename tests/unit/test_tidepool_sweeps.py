"""The plan of a sweep: which values its trials get, which trial is the best, and what is refused."""

from typing import Any

import pytest

from tidepool.errors import AzureError
from tidepool.jobs.sweep_bodies import read_sweep
from tidepool.jobs.sweep_plan import PARAMETERS, SweepPlan


def plan(sampling: Any, space: dict[str, Any], **changes: Any) -> SweepPlan:
    body = {
        "samplingAlgorithm": sampling,
        "searchSpace": space,
        "objective": {"goal": "Minimize", "primaryMetric": "loss"},
        "limits": {"maxTotalTrials": 3},
    }
    return read_sweep({**body, **changes}, "job s")


RANDOM = {"samplingAlgorithmType": "Random", "seed": 7}
GRID = {"samplingAlgorithmType": "Grid"}


def test_the_grid_has_each_combination_up_to_the_limit() -> None:
    trials = plan(GRID, {"a": ["choice", [[1, 2]]], "b": ["choice", [["x", "y"]]]}).trials("s")

    assert trials == [{"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "2", "b": "x"}]


def test_random_values_repeat_with_the_seed() -> None:
    space = {"a": ["uniform", [0, 1]], "b": ["choice", [["x", "y"]]]}

    first, again, other = (
        plan(sampling, space).trials("s") for sampling in (RANDOM, RANDOM, {**RANDOM, "seed": 8})
    )

    assert first == again
    assert first != other


def test_without_a_seed_the_name_of_the_sweep_decides() -> None:
    unseeded = plan({"samplingAlgorithmType": "Random"}, {"a": ["uniform", [0, 1]]})

    assert unseeded.trials("one") == unseeded.trials("one") != unseeded.trials("two")


@pytest.mark.parametrize("kind", PARAMETERS)
def test_each_distribution_is_read_from_jobs_and_from_steps(kind: str) -> None:
    values = {"values": [1, 2], "upper": 3, "min_value": 1, "max_value": 2, "q": 0.5, "mu": 0, "sigma": 1}
    named = {"type": kind, **{key: values[key] for key in PARAMETERS[kind]}}
    listed = [kind, [values[key] for key in PARAMETERS[kind]]]

    of_job, of_step = (plan(RANDOM, {"a": item}).trials("s") for item in (listed, named))

    assert of_job == of_step
    if kind.startswith("q"):
        assert all(float(trial["a"]) % 0.5 == 0 for trial in of_job)


def test_the_best_trial_has_the_least_or_the_greatest_score() -> None:
    least = plan(GRID, {"a": ["choice", [[1]]]})
    greatest = plan(
        GRID, {"a": ["choice", [[1]]]}, objective={"goal": "Maximize", "primaryMetric": "accuracy"}
    )

    assert least.best({"s_0": 0.5, "s_1": 0.25}) == "s_1"
    assert greatest.best({"s_0": 0.5, "s_1": 0.25}) == "s_0"
    assert least.best({}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samplingAlgorithm": {"samplingAlgorithmType": "Bayesian"}}, "sampling algorithm 'Bayesian'"),
        ({"samplingAlgorithm": {**RANDOM, "rule": "Sobol"}}, "the rule 'Sobol'"),
        ({"earlyTermination": {"policyType": "Bandit"}}, "early termination"),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AzureError, match=message) as refusal:
        plan(RANDOM, {"a": ["uniform", [0, 1]]}, **changes)

    assert refusal.value.status == 501


def test_a_distribution_with_a_parameter_of_another_is_an_error() -> None:
    item = {"type": "uniform", "min_value": 0, "max_value": 1}

    with pytest.raises(ValueError, match="a in the search space has q, which uniform does not take"):
        plan(RANDOM, {"a": {**item, "q": 0.5}})
    assert plan(RANDOM, {"a": {**item, "q": None}}).space["a"].parameters == (0, 1)


@pytest.mark.parametrize("space", [{}, {"a": ["uniform", [0, 1]]}, {"a": ["choice", [[{"b": 1}]]]}])
def test_a_space_without_a_grid_is_an_error(space: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"search space|grid"):
        plan(GRID, space)
