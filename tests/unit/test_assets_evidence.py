"""evidence.json: the shape that the gate reads, whatever the models answer."""

import json
from typing import Any

import pytest
from answers import Answers
from evidence import weigh

TRUTH = ["cat", "dog"] * 20
LIGHT = ["day"] * 30 + ["night"] * 10
RIGHT = Answers(TRUTH, [0.9] * 40)
HALF = Answers(["cat"] * 40, [0.6] * 40)


def evidence(candidate: Answers = RIGHT, champion: Answers | None = HALF, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"slices": ("light", LIGHT), "confidence": 0.95, **changes}
    return weigh(TRUTH, candidate, champion, **given)


def test_each_metric_has_candidate_champion_and_their_difference() -> None:
    accuracy = evidence()["metrics"]["accuracy"]

    assert accuracy["candidate"]["value"] == 1.0
    assert accuracy["champion"]["value"] == 0.5
    assert accuracy["difference"]["value"] == 0.5
    assert accuracy["difference"]["low"] > 0.3


def test_each_slice_is_measured_by_itself() -> None:
    slices = evidence()["slices"]

    assert slices["by"] == "light"
    assert {value: part["n"] for value, part in slices["values"].items()} == {"day": 30, "night": 10}
    assert slices["values"]["night"]["metrics"]["accuracy"]["champion"]["value"] == 0.5


def test_without_a_champion_there_is_nothing_to_compare() -> None:
    found = evidence(champion=None)

    assert found["comparison"] is None
    assert found["metrics"]["f1_macro"]["champion"] is None
    assert found["metrics"]["f1_macro"]["difference"] is None


def test_without_slices_there_are_none() -> None:
    assert evidence(slices=None)["slices"] is None


def test_a_candidate_without_probabilities_has_no_log_loss() -> None:
    assert "log_loss" in evidence()["metrics"]
    assert "log_loss" not in evidence(candidate=Answers(TRUTH, None))["metrics"]


def test_a_champion_without_probabilities_leaves_the_candidates_log_loss_alone() -> None:
    log_loss = evidence(champion=Answers(HALF.labels, None))["metrics"]["log_loss"]

    assert log_loss["candidate"]["value"] > 0
    assert (log_loss["champion"], log_loss["difference"]) == (None, None)


def test_an_image_without_an_answer_counts_as_wrong() -> None:
    found = evidence(candidate=Answers(["", *TRUTH[1:]], None))

    assert found["metrics"]["accuracy"]["candidate"]["value"] == pytest.approx(39 / 40)


def test_a_slice_of_one_row_has_nulls_and_the_whole_is_json() -> None:
    found = evidence(slices=("light", ["day"] * 39 + ["night"]))

    assert found["slices"]["values"]["night"]["metrics"]["f1_macro"]["candidate"]["low"] is None
    json.dumps(found, allow_nan=False)
