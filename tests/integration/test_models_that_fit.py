"""Models of images in the shapes that people have: scored as they are, or refused with a reason."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from answers import answers_of
from embeddings import Vectors, write_embeddings
from image_model import ImageModel, find_model
from labelled import read_labelled
from picture_rows import row_object
from PIL import Image
from preprocess_keys import UnfitModelError
from publish_predictions import write_parquet
from reconcile import reconcile
from rows import Row, format_row, parse_rows
from score_images import Scorer
from tests.support.image_models import COLOURS, describe_onnx, save_model, save_onnx, write_pictures


def score(folder: Path, model: Path, count: int) -> list[Row]:
    files = sorted(str(file) for file in folder.glob("*.png"))[:count]
    scorer = Scorer(folder, [Path(file).name for file in files], ImageModel(model))
    rows = [row for row in parse_rows(scorer.score(files)) if row]
    scorer.close()
    return rows


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder, 10)
    return folder


class Shape(NamedTuple):
    """A shape of a model, with what its metadata says."""

    tensor: tuple[int, ...]
    dtype: str = "float32"
    preprocess: dict[str, Any] | None = None
    name: str | None = None


SHAPES = {
    "whole numbers": Shape((-1, 8, 8, 3), "uint8"),
    "whole numbers, channels first, with a name": Shape((-1, 3, 8, 8), "uint8", name="pixels"),
    "floats": Shape((-1, 8, 8, 3), preprocess={"scale": "1/255"}),
    "floats, channels first": Shape((-1, 3, 8, 8), preprocess={"mean": [-0.1, -0.1, -0.1], "std": 1}),
    "floats with a name": Shape((-1, 3, 8, 8), preprocess={"scale": "1/255"}, name="pixels"),
    "half precision": Shape((-1, 3, 8, 8), "float16", {"scale": "1/255"}),
    "double precision": Shape((-1, 8, 8, 3), "float64", {"scale": "1/255"}),
    "any size": Shape((-1, 3, -1, -1), preprocess={"size": 8, "resize": 8, "crop": "center"}),
    "two readings, channels first": Shape((-1, 3, 8, 3), preprocess={"layout": "NCHW"}),
    "two readings, channels last": Shape((-1, 3, 8, 3), preprocess={"layout": "NHWC"}),
    "a fixed batch": Shape((4, 3, 8, 8), preprocess={"scale": "1/255"}),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_model_is_scored_and_judged_as_it_is(tmp_path: Path, pictures: Path, shape: Shape) -> None:
    metadata = {"preprocess": shape.preprocess} if shape.preprocess else {}
    model = save_model(tmp_path / "model", shape.tensor, shape.dtype, name=shape.name, metadata=metadata)
    labels = list(read_labelled(pictures).labels)

    rows = score(pictures, model, 10)
    answers = answers_of(model, read_labelled(pictures))

    assert [row.label for row in rows] == answers.labels == labels
    assert [row.error for row in rows] == [""] * 10
    assert answers.of_truth == pytest.approx([row.score for row in rows], abs=2e-3)


def test_a_fixed_batch_is_filled_and_no_row_comes_from_the_filling(tmp_path: Path, pictures: Path) -> None:
    answer = "{'label': np.array(['red', 'green', 'blue'])[means.argmax(axis=1)], 'score': np.arange(4)}"
    model = save_model(tmp_path / "model", (4, 8, 8, 3), answer=answer)

    rows = score(pictures, model, 10)

    assert [row.label for row in rows] == list(read_labelled(pictures).labels)
    assert [row.score for row in rows] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_a_batch_that_is_too_large_for_the_memory_is_halved(tmp_path: Path, pictures: Path) -> None:
    answer = "means if len(means) <= {most} else {{}}['CUDA out of memory']"
    fitting = save_model(tmp_path / "fitting", (-1, 8, 8, 3), answer=answer.format(most=3))
    never = save_model(tmp_path / "never", (-1, 8, 8, 3), answer=answer.format(most=0))
    model = ImageModel(fitting)

    predictions = model.predict(next(read_labelled(pictures).batches(model.frame)))

    assert [found.label for found in predictions] == list(read_labelled(pictures).labels)
    assert model.chunk == 2
    with pytest.raises(UnfitModelError, match="CUDA out of memory"):
        score(pictures, never, 10)


@pytest.mark.parametrize("answer", ["np.squeeze(means)", "means.squeeze() if len(means) == 1 else means"])
def test_a_model_that_drops_the_dimension_of_one_image_is_found_by_the_gate(
    tmp_path: Path, pictures: Path, answer: str
) -> None:
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), answer=answer)

    with pytest.raises(UnfitModelError, match=r"for a batch of one image, the model returned .*squeeze"):
        answers_of(model, read_labelled(pictures))


def test_a_model_that_normalizes_over_the_batch_is_found_by_the_gate(tmp_path: Path, pictures: Path) -> None:
    answer = "np.where(len(means) == 1, means[:, ::-1], means)"
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), answer=answer)

    with pytest.raises(UnfitModelError, match=r"labels an image 'blue' alone, and 'red' in a batch of two"):
        answers_of(model, read_labelled(pictures))


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("batch", [None, 4])
def test_an_onnx_model_is_scored_as_it_is(
    tmp_path: Path, pictures: Path, batch: int | None, external: bool
) -> None:
    model = describe_onnx(save_onnx(tmp_path / "model", batch=batch, external=external), batch=batch or -1)

    answers = answers_of(model, read_labelled(pictures))

    assert answers.labels == list(read_labelled(pictures).labels)
    assert answers.of_truth == pytest.approx([np.exp(10) / (np.exp(10) + 2)] * 10, abs=0.02)


def test_an_onnx_model_without_mlflow_is_scored_as_its_description_says(
    tmp_path: Path, pictures: Path
) -> None:
    described, bare = save_onnx(tmp_path / "described"), save_onnx(tmp_path / "bare")
    (described / "tidegate_model.yml").write_text(
        "{input: {shape: [-1, 3, 8, 8]}, labels: [red, green, blue], preprocess: {scale: 1/255}}"
    )

    rows = score(pictures, described, 10)
    answers = answers_of(described, read_labelled(pictures))

    assert [row.label for row in rows] == answers.labels == list(read_labelled(pictures).labels)
    assert find_model(tmp_path / "described") == described
    with pytest.raises(UnfitModelError, match=r"no MLmodel file: .*model.onnx and tidegate_model.yml"):
        ImageModel(bare)


def test_weights_in_a_second_file_that_is_missing_are_named(tmp_path: Path) -> None:
    model = describe_onnx(save_onnx(tmp_path / "model", external=True))
    (model / "weights.bin").unlink()

    with pytest.raises(UnfitModelError, match=r"model.onnx has weights in weights.bin, .* is missing"):
        ImageModel(model)


def test_two_outputs_are_refused_with_both_names_until_one_is_chosen(tmp_path: Path, pictures: Path) -> None:
    unnamed = describe_onnx(save_onnx(tmp_path / "unnamed", outputs=2))
    wrong = describe_onnx(save_onnx(tmp_path / "wrong", outputs=2), metadata={"output": {"name": "scores"}})
    named = describe_onnx(save_onnx(tmp_path / "named", outputs=2), metadata={"output": {"name": "means"}})

    with pytest.raises(UnfitModelError, match=r"probabilities .* and means .*output: {name: probabilities}"):
        score(pictures, unnamed, 10)
    with pytest.raises(UnfitModelError, match=r"name: scores}, and the model returned probabilities, means"):
        score(pictures, wrong, 10)
    assert [row.label for row in score(pictures, named, 3)] == list(COLOURS)


HALF_BLUE = "np.hstack([means[:, :2], 0 * means[:, :1] + 0.5])"
A_BOX = (
    "[{'boxes': np.array([[1, 2, 8, 4]]), 'labels': np.array([0]), 'scores': np.array([0.9])} for _ in means]"
)
BOX_OF_THE_PICTURE = '[{"label": "red", "score": 0.9, "box": [2.0, 6.0, 16.0, 12.0]}]'
OUTPUTS: dict[str, tuple[dict[str, Any], str, dict[str, Any], dict[str, int]]] = {
    "several labels": (
        {"kind": "multilabel", "threshold": 0.4},
        HALF_BLUE,
        {"label": "blue;red", "score": 1.0, "labels": '{"blue": 0.5, "red": 1.0}'},
        {"blue": 1, "red": 1},
    ),
    "a number": ({"kind": "regression"}, "means.sum(axis=1) * 3", {"label": None, "score": 3.0}, {}),
    "boxes": (
        {"kind": "boxes"},
        A_BOX,
        {"label": "red", "score": 0.9, "boxes": BOX_OF_THE_PICTURE},
        {"red": 1},
    ),
    "the best classes": (
        {"top": 1},
        "means",
        {"label": "red", "score": 1.0, "top": '[{"label": "red", "score": 1.0}]'},
        {"red": 1},
    ),
}


@pytest.mark.parametrize("case", OUTPUTS.values(), ids=OUTPUTS)
def test_what_a_model_returns_is_published_with_the_usual_columns_first(tmp_path: Path, case: Any) -> None:
    output, answer, published, labels = case
    Image.new("RGB", (16, 24), "red").save(tmp_path / "a.png")
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), metadata={"output": output}, answer=answer)

    outcome = reconcile(score(tmp_path, model, 1), ["a.png"], 0.0)
    write_parquet(outcome.rows, tmp_path / "predictions.parquet")
    (answered,) = [row_object(row) for row in outcome.rows]

    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table.column_names[:4] == ["img", "label", "score", "error"]
    assert table.to_pylist() == [{"img": "a.png", "error": None, **published}]
    assert (outcome.verdict, outcome.labels()) == ("ok", labels)
    of_json = {
        name: json.loads(value) for name, value in published.items() if name in ("labels", "boxes", "top")
    }
    assert answered == {"img": "a.png", "error": None, **published, **of_json}


def test_vectors_are_published_in_a_file_of_their_own(tmp_path: Path, pictures: Path) -> None:
    metadata = {"output": {"kind": "embedding"}}
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), metadata=metadata, answer="means")
    rows = tmp_path / "rows.jsonl"
    scored = score(pictures, model, 3)
    rows.write_text("".join(format_row(row) + "\n" for row in [*scored, *scored]))
    vectors = Vectors()

    with rows.open() as lines:
        outcome = reconcile(vectors.leave_out(parse_rows(lines)), [row.img for row in scored], 0.0)
    write_embeddings(rows, outcome.rows, tmp_path / "embeddings.parquet")

    assert [row_object(row)["embedding"] for row in scored[::2]] == [[1, 0, 0], [0, 0, 1]]
    assert (outcome.verdict, vectors.any, [row.more for row in outcome.rows]) == ("ok", True, [()] * 3)
    assert pq.read_table(tmp_path / "embeddings.parquet").to_pylist() == [
        {"img": "000.png", "embedding": [1, 0, 0]},
        {"img": "001.png", "embedding": [0, pytest.approx(128 / 255), 0]},
        {"img": "002.png", "embedding": [0, 0, 1]},
    ]


@pytest.mark.parametrize(
    ("answer", "output", "reason"),
    [
        ("means * 8 - 4", {}, r"numbers from -4 to 4 as probabilities: .*activation: softmax"),
        ("means", {"kind": "embedding"}, r"kind: embedding}, and the evaluation measures labels only"),
    ],
)
def test_what_cannot_be_judged_is_found_by_the_gate(
    tmp_path: Path, pictures: Path, answer: str, output: dict[str, Any], reason: str
) -> None:
    metadata = {"output": output} if output else {}
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), metadata=metadata, answer=answer)

    with pytest.raises(UnfitModelError, match=reason):
        answers_of(model, read_labelled(pictures))


def test_several_labels_are_judged_as_one(tmp_path: Path, pictures: Path) -> None:
    metadata = {"output": {"kind": "multilabel", "threshold": 0.4}}
    model = save_model(tmp_path / "model", (-1, 8, 8, 3), metadata=metadata, answer=HALF_BLUE)

    assert answers_of(model, read_labelled(pictures)).labels[:3] == ["blue;red", "blue;green", "blue"]


@pytest.mark.long
def test_a_scikit_learn_model_is_scored_as_it_is(tmp_path: Path, pictures: Path) -> None:
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from sklearn.linear_model import LogisticRegression

    labels = list(read_labelled(pictures).labels)
    pixels = np.repeat(np.array([np.eye(3)[COLOURS.index(label)] for label in labels]), 64, axis=0)
    trained = LogisticRegression().fit(pixels.reshape(10, -1), labels)
    mlflow.sklearn.save_model(
        trained,
        tmp_path / "model",
        pyfunc_predict_fn="predict_proba",
        signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 192), name="x")])),
        metadata={"labels": trained.classes_.tolist(), "preprocess": {"size": [8, 8], "layout": "NHWC"}},
        pip_requirements=["scikit-learn"],
    )

    answers = answers_of(tmp_path / "model", read_labelled(pictures))

    assert answers.labels == labels
    assert answers.of_truth is not None
    assert min(answers.of_truth) > 0.8
