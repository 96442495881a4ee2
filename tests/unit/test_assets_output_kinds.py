"""What the numbers of a model mean: classes, several labels, numbers, vectors and boxes."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_output import Prediction
from output_keys import OutputSpec, output_spec
from output_kinds import read_answer
from preprocess_keys import UnfitModelError

LABELS = ["cat", "dog", "owl"]
LOGITS = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])) + 5
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.6]], dtype=np.float32)


def spec(**keys: Any) -> OutputSpec:
    return output_spec({"metadata": {"output": keys}})


def test_the_service_and_the_jobs_have_the_same_rules() -> None:
    service = Path("src/tidegate/domain/jobs/output_keys.py").read_text()
    job = Path("src/assets/image_scoring/output_keys.py").read_text()

    assert service.replace("from tidegate.domain.jobs.", "from ") == job


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"kind": "classification"}, r"kind is 'classification', expected one of classes, multilabel"),
        ({"kinds": "classes"}, r"no key 'kinds', only kind, name, activation, top, threshold"),
        ({"activation": "relu"}, r"activation is 'relu', expected softmax or sigmoid"),
        ({"kind": "regression", "activation": "softmax"}, r"expected none for kind: regression"),
        ({"kind": "multilabel", "top": 3}, r"top is 3, expected .* for kind: classes"),
        ({"kind": "multilabel", "threshold": {"cat": 2}}, r"expected a number from 0 to 1"),
        ({"threshold": 0.5}, r"for kind: multilabel or boxes"),
        ({"name": 3}, r"the name of an output"),
    ],
)
def test_wrong_keys_are_refused_with_what_they_may_be(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnfitModelError, match=reason):
        spec(**keys)


def test_logits_become_probabilities_if_they_are_declared() -> None:
    answer = read_answer(LOGITS, spec(activation="softmax"), LABELS)

    assert answer.predictions == [Prediction("cat", 0.7), Prediction("owl", 0.6)]
    assert answer.probabilities is not None
    assert answer.probabilities.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_single_logit_is_that_of_the_second_of_two_classes(shape: tuple[int, ...]) -> None:
    logits = np.array([-1_000.0, np.log(3)]).reshape(shape)

    answer = read_answer({"logit": logits}, spec(activation="sigmoid"), ["good", "bad"])

    assert answer.predictions == [Prediction("good", 1.0), Prediction("bad", 0.75)]


def test_the_most_probable_classes_are_a_column() -> None:
    answer = read_answer(PROBABILITIES, spec(top=2), LABELS)

    assert answer.predictions[0].more == (
        ("top", [{"label": "cat", "score": 0.7}, {"label": "dog", "score": 0.2}]),
    )
    with pytest.raises(UnfitModelError, match="top: 2}, and it returned no probabilities"):
        read_answer(["cat", "dog"], spec(top=2), LABELS)


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [(0.5, ["cat", "dog;owl"]), (0.65, ["cat", ""]), ({"dog": 0.1, "owl": 0.7}, ["cat;dog", "dog"])],
)
def test_several_labels_reach_their_thresholds(threshold: Any, labels: list[str]) -> None:
    answer = read_answer(PROBABILITIES, spec(kind="multilabel", threshold=threshold), LABELS)

    assert [prediction.label for prediction in answer.predictions] == labels
    assert [prediction.score for prediction in answer.predictions] == [0.7, 0.6]
    for prediction in answer.predictions:
        assert ";".join(dict(prediction.more)["labels"]) == prediction.label


def test_several_labels_of_logits_need_the_sigmoid() -> None:
    logits = np.log(PROBABILITIES / (1 - PROBABILITIES))

    answer = read_answer(logits, spec(kind="multilabel", activation="sigmoid", threshold=0.49), LABELS)

    assert [prediction.label for prediction in answer.predictions] == ["cat", "dog;owl"]


def test_a_number_is_the_score_and_several_are_columns() -> None:
    one = read_answer(np.array([[3.5], [np.nan]]), spec(kind="regression"), ())
    two = read_answer(np.array([[3.5, 1.0]]), spec(kind="regression"), ["length", "width"])

    assert one.predictions == [Prediction(score=3.5), Prediction(error="the model's score is nan")]
    assert two.predictions == [Prediction(more=(("length", 3.5), ("width", 1.0)))]


def test_vectors_are_packed() -> None:
    vectors = np.arange(8, dtype=np.float64).reshape(2, 2, 2)
    vectors[1, 0, 0] = np.inf

    first, second = read_answer(vectors, spec(kind="embedding"), ()).predictions

    assert np.frombuffer(base64.b64decode(dict(first.more)["embedding"]), "<f4").tolist() == [0, 1, 2, 3]
    assert second == Prediction(error="the model's vector has values that are not finite")


BOXES = {
    "boxes": np.array([[[0, 0, 4, 4], [1, 1, 2, 2], [3, 3, 5, 5]]], dtype=np.float32),
    "labels": np.array([[0, 1, 2]]),
    "scores": np.array([[0.6, 0.9, 0.2]], dtype=np.float32),
}
OF_ONE_IMAGE = [{key: value[0] for key, value in BOXES.items()}]


@pytest.mark.parametrize("output", [BOXES, OF_ONE_IMAGE], ids=["arrays", "list"])
def test_boxes_are_json_with_the_best_first(output: Any) -> None:
    (prediction,) = read_answer(output, spec(kind="boxes"), LABELS).predictions

    assert (prediction.label, prediction.score) == ("dog", 0.9)
    assert json.loads(json.dumps(dict(prediction.more)["boxes"])) == [
        {"label": "dog", "score": 0.9, "box": [1, 1, 2, 2]},
        {"label": "cat", "score": 0.6, "box": [0, 0, 4, 4]},
    ]


@pytest.mark.parametrize(
    ("output", "kind", "reason"),
    [
        (PROBABILITIES[:, :2], "multilabel", "expected 3 labels"),
        (np.array(["a", "b"]), "regression", "expected a number for each image"),
        (np.array([0.5, 1.5]), "embedding", "expected vectors"),
        (PROBABILITIES, "boxes", r"no boxes \(k, 4\), labels \(k\) and scores \(k\)"),
    ],
)
def test_an_output_of_another_kind_is_refused(output: Any, kind: str, reason: str) -> None:
    with pytest.raises(UnfitModelError, match=reason):
        read_answer(output, spec(kind=kind), LABELS)
