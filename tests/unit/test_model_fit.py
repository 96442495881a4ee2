"""Which models fit which pipelines. The service and the job must agree about models of images."""

import json
from typing import Any

import pytest

from tidegate.domain.jobs.model_fit import ModelKind, model_problem, taken_kind

A_DOUBLE = {"type": "double", "name": "x"}


def a_tensor(*shape: int, dtype: str = "uint8") -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}


def an_mlmodel(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"signature": {"inputs": json.dumps(inputs)}}


def test_a_model_of_images_fits_if_the_job_could_use_it() -> None:
    assert model_problem(ModelKind.IMAGE_CLASSIFIER, an_mlmodel(a_tensor(-1, 8, 8, 1))) is None


@pytest.mark.parametrize(
    ("mlmodel", "problem"),
    [
        ({}, "no tensor signature"),
        ({"signature": {"inputs": "{"}}, "cannot be read"),
        (an_mlmodel({"type": "tensor"}), "cannot be read"),
        (an_mlmodel(a_tensor(-1, 3, 8, 8, dtype="float32")), "add preprocess to its metadata"),
    ],
)
def test_what_the_job_would_refuse_the_service_refuses_first_and_says_why(
    mlmodel: dict[str, Any], problem: str
) -> None:
    assert problem in (model_problem(ModelKind.IMAGE_CLASSIFIER, mlmodel) or "")


COLUMNS = [A_DOUBLE, {"type": "long", "name": "store"}]


@pytest.mark.parametrize(
    ("mlmodel", "problem"),
    [
        (an_mlmodel(*COLUMNS), None),
        ({}, "it has no signature"),
        (an_mlmodel(a_tensor(-1, 8, 8, 1)), "no named columns"),
        (an_mlmodel({"type": "double"}), "no named columns"),
        ({"signature": {"inputs": "{"}}, "cannot be read"),
    ],
)
def test_a_tabular_model_has_named_columns(mlmodel: dict[str, Any], problem: str | None) -> None:
    found = model_problem(ModelKind.TABULAR, mlmodel)

    assert found is None if problem is None else problem in (found or "")


def test_a_model_set_says_so_in_its_metadata() -> None:
    a_set = {"metadata": {"tidegate_model": "model-set"}, **an_mlmodel(*COLUMNS)}

    assert model_problem(ModelKind.MODEL_SET, a_set) is None
    assert "no model set" in (model_problem(ModelKind.MODEL_SET, an_mlmodel(*COLUMNS)) or "")
    assert "no model set" in (model_problem(ModelKind.MODEL_SET, {"metadata": None}) or "")


def test_a_pipeline_that_takes_any_model_refuses_none() -> None:
    assert model_problem(ModelKind.ANY, {}) is None


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        (None, "it has no tag tidegate_model; write one of image-classifier, tabular, model-set, any"),
        ("images", "it has the tag tidegate_model: images; write one of image-classifier, tabular"),
    ],
)
def test_a_pipeline_must_say_what_it_takes(tag: str | None, problem: str) -> None:
    with pytest.raises(ValueError, match="write one of") as raised:
        taken_kind(tag)

    assert str(raised.value).startswith(problem)
