"""Whether a model fits a pipeline: what the pipeline's tag asks for, and what the MLmodel file says."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tidegate.domain.jobs.image_input import image_input
from tidegate.domain.jobs.output_keys import output_spec
from tidegate.domain.jobs.preprocess_keys import UnfitModelError

MODEL_TAG = "tidegate_model"


class ModelKind(StrEnum):
    """What a scoring pipeline takes as its model. Its component says so in the tag `tidegate_model`."""

    IMAGE_CLASSIFIER = "image-classifier"
    TABULAR = "tabular"
    MODEL_SET = "model-set"
    ANY = "any"


def taken_kind(tag: str | None) -> ModelKind:
    """Return what a pipeline takes. Raise ValueError that says what is wrong with its tag."""
    try:
        return ModelKind(tag or "")
    except ValueError:
        found = f"has the tag {MODEL_TAG}: {tag}" if tag else f"has no tag {MODEL_TAG}"
        raise ValueError(f"it {found}; write one of {', '.join(ModelKind)}") from None


def model_problem(kind: ModelKind, mlmodel: Mapping[str, Any]) -> str | None:
    """Return why a pipeline that takes this kind cannot use the model, or None if it can.

    A model of images must say how pictures become its input, as `image_input` reads it in the job, too. A
    tabular model must have a signature with named columns. The metadata of a model set has the tag's key and
    value.
    """
    try:
        match kind:
            case ModelKind.IMAGE_CLASSIFIER:
                image_input(mlmodel)
                output_spec(mlmodel)
                return None
            case ModelKind.TABULAR:
                return _table_problem(_inputs(mlmodel))
            case ModelKind.MODEL_SET:
                is_set = (mlmodel.get("metadata") or {}).get(MODEL_TAG) == ModelKind.MODEL_SET
                return None if is_set else f"it is no model set: its metadata lacks {MODEL_TAG}: {kind}"
            case ModelKind.ANY:
                return None
    except UnfitModelError as error:
        return str(error)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "its signature cannot be read"


def _inputs(mlmodel: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(json.loads((mlmodel.get("signature") or {}).get("inputs") or "[]"))


def _table_problem(inputs: list[dict[str, Any]]) -> str | None:
    if not inputs:
        return "it has no signature: log it again with one (mlflow.models.infer_signature of a table)"
    if any(entry.get("type") == "tensor" or not entry.get("name") for entry in inputs):
        return "its signature has no named columns: log it again with a signature of a table"
    return None
