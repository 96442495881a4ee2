"""The description of an ONNX model that MLflow did not save: a file beside `model.onnx`.

The service and the jobs have this file each, and a test compares them.
"""

import json
from collections.abc import Mapping
from typing import Any

from preprocess_keys import UnfitModelError

DESCRIPTION = "tidegate_model.yml"
ONNX_FILE = "model.onnx"
KEYS = ("input", "labels", "preprocess", "output")
_UNDESCRIBED = (
    f"it has no MLmodel file: save it with MLflow, or register a folder with {ONNX_FILE} and {DESCRIPTION},"
    " which says input: {shape: [-1, 3, 224, 224], type: float32}, labels and preprocess"
)


def as_mlmodel(described: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a description as the content of the MLmodel file that MLflow would have written.

    Raise UnfitModelError, which says what to add, if there is none, or if it lacks the input or has other
    keys.
    """
    if described is None:
        raise UnfitModelError(_UNDESCRIBED)
    if unknown := [key for key in described if key not in KEYS]:
        raise UnfitModelError(f"its {DESCRIPTION} has the key {unknown[0]!r}, and may have {', '.join(KEYS)}")
    given = described.get("input")
    if not isinstance(given, Mapping) or not isinstance(given.get("shape"), list):
        raise UnfitModelError(
            f"its {DESCRIPTION} has no input: add input: {{shape: [-1, 3, 224, 224], type: float32}}"
        )
    spec = {"dtype": str(given.get("type", "float32")), "shape": given["shape"]}
    tensor = {"type": "tensor", "tensor-spec": spec, "name": given.get("name")}
    return {
        "flavors": {"python_function": {"loader_module": "mlflow.onnx", "data": ONNX_FILE}},
        "signature": {"inputs": json.dumps([tensor])},
        "metadata": {key: described[key] for key in KEYS[1:] if key in described},
    }
