"""How what models of images return is read."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from model_output import Prediction, read_output, read_probabilities
from preprocess_keys import UnfitModelError

PROBABILITIES = np.array([[0.1, 0.9], [0.75, 0.25]], dtype=np.float32)
ZIPMAP = [{8: 0.1, 7: 0.9}, {8: 0.75, 7: 0.25}]  # as skl2onnx returns it


@pytest.mark.parametrize(
    ("output", "labels", "predictions"),
    [
        (PROBABILITIES, [], [("1", 0.9), ("0", 0.75)]),
        (PROBABILITIES, ["cat", "dog"], [("dog", 0.9), ("cat", 0.75)]),
        (PROBABILITIES.tolist(), ["cat", "dog"], [("dog", 0.9), ("cat", 0.75)]),
        (pd.DataFrame(PROBABILITIES, columns=["cat", "dog"]), [], [("dog", 0.9), ("cat", 0.75)]),
        ({"cat": PROBABILITIES[:, 0], "dog": PROBABILITIES[:, 1]}, [], [("dog", 0.9), ("cat", 0.75)]),
        ({"softmax": PROBABILITIES}, ["cat", "dog"], [("dog", 0.9), ("cat", 0.75)]),
        (pd.DataFrame({"label": ["cat", "dog"], "score": [0.5, 1]}), [], [("cat", 0.5), ("dog", 1.0)]),
        ({"label": np.array([7, 8])}, [], [("7", None), ("8", None)]),
        (["cat", "dog"], [], [("cat", None), ("dog", None)]),
        (np.array([7, 8]), [], [("7", None), ("8", None)]),
        (pd.Series(["cat", "dog"]), [], [("cat", None), ("dog", None)]),
        (pd.DataFrame({"predictions": [7, 8]}), [], [("7", None), ("8", None)]),
        (np.array([[7], [8]]), [], [("7", None), ("8", None)]),
        ([{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.8}], [], [("cat", 0.9), ("dog", 0.8)]),
        ([{"label": "cat"}, {"label": "dog"}], [], [("cat", None), ("dog", None)]),
        (np.array([{"label": "cat"}, {"label": "dog"}]), [], [("cat", None), ("dog", None)]),
        ([b"cat", "猫".encode()], [], [("cat", None), ("猫", None)]),
        (np.array([b"cat", b"dog"]), [], [("cat", None), ("dog", None)]),
        ({"label": np.array([b"cat", b"dog"], dtype=object)}, [], [("cat", None), ("dog", None)]),
        (np.array([1, 0]), ["cat", "dog"], [("dog", None), ("cat", None)]),
        ([1, 0], ["cat", "dog"], [("dog", None), ("cat", None)]),
        ({"label": [1, 0], "score": [0.9, 0.8]}, ["cat", "dog"], [("dog", 0.9), ("cat", 0.8)]),
        ([{"label": 1}, {"label": 0}], ["cat", "dog"], [("dog", None), ("cat", None)]),
        (np.array([2, 1]), ["1", "2", "3"], [("3", None), ("2", None)]),
        (np.array([2, 1]), [1, 2, 3], [("2", None), ("1", None)]),
        (pd.DataFrame(PROBABILITIES), ["cat", "dog"], [("dog", 0.9), ("cat", 0.75)]),
        ({"output_label": np.array([7, 8]), "output_probability": ZIPMAP}, [], [("7", 0.9), ("8", 0.75)]),
        ({"label": np.array([7, 8]), "probabilities": PROBABILITIES}, [], [("7", 0.9), ("8", 0.75)]),
        (np.array([True, False]), [], [("True", None), ("False", None)]),
        ([True, False], ["good", "bad"], [("bad", None), ("good", None)]),
    ],
)
def test_labels_and_probabilities_are_read_in_every_usual_form(
    output: Any, labels: list[str], predictions: list[tuple[str, float | None]]
) -> None:
    assert read_output(output, labels) == [Prediction(*prediction) for prediction in predictions]


@pytest.mark.parametrize(
    ("output", "labels", "reason"),
    [
        (np.array([0.5, 0.7]), [], "expected labels, or a probability for each class"),
        (np.array([[0.5], [0.7]]), [], "expected labels, or a probability for each class"),
        (np.zeros((2, 8, 8)), [], "expected labels, or a probability for each class"),
        (np.array(0.5), [], "expected labels, or a probability for each class"),
        (PROBABILITIES, ["cat"], "1 labels, but returned 2 classes"),
        (np.array([["cat", "dog"], ["dog", "cat"]]), [], "expected probabilities"),
        ([{"class": "cat", "p": 0.9}], [], "dictionaries with class, p, expected label and score"),
        ([{"label": "cat"}, {"name": "dog"}], [], "dictionaries with different keys"),
        ([{"label": "cat"}, "dog"], [], "dictionaries with different keys"),
        ([{"label": "cat", "score": "high"}], [], "scores that are not numbers"),
        ({"label": ["cat", "dog"], "score": [0.5]}, [], r"2 labels and scores of shape \(1,\)"),
        ([None, "cat"], [], "NoneType 'None' as a label"),
        (["", "cat"], [], "str '' as a label"),
        ([3.0, 1.0], ["cat", "dog"], "float '3.0' as a label"),
        ({"label": [0.5, 1.5]}, [], "float '0.5' as a label"),
        ([b"\xff"], [], "not UTF-8"),
        ([["cat"], ["dog", "cow"]], [], "the model returned no array"),
        ([2], ["cat", "dog"], "class 2, and metadata.labels has 2 labels"),
        ([-1], ["cat", "dog"], "class -1, and metadata.labels has 2 labels"),
        ([0], [1, 2, 3], "class 0, and metadata.labels has 3 labels"),
        (
            {"logits": PROBABILITIES, "features": np.zeros((2, 64), dtype=np.float32)},
            [],
            r"2 outputs, logits float32 \(2, 2\) and features float32 \(2, 64\): .*output: {name: logits}",
        ),
        ([True], ["cat", "dog", "cow"], "bool 'True' as a label"),
    ],
)
def test_output_that_names_no_label_is_refused(output: Any, labels: list[str], reason: str) -> None:
    with pytest.raises(UnfitModelError, match=reason):
        read_output(output, labels)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_makes_an_error_not_a_label(score: float) -> None:
    predictions = read_output(np.array([[score, 0.5], [0.25, 0.75]]))

    assert predictions == [Prediction(error=f"the model's score is {score}"), Prediction("1", 0.75)]


def test_probabilities_of_two_outputs_keep_the_names_of_their_classes() -> None:
    output = {"output_label": np.array([7, 8]), "output_probability": ZIPMAP}

    classes, values = read_probabilities(output) or ([], np.zeros(0))

    assert classes == ["8", "7"]
    assert values.tolist() == [[0.1, 0.9], [0.75, 0.25]]
