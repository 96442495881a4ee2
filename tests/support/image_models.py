"""Small models of images in the shapes that people have. They say which colour a picture has most of."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = ("red", "green", "blue")

# `axes` are those of the height and the width. The model takes a fixed number of images if `batch` is given.
MODEL = """
import numpy as np

class Colours:
    def predict(self, images, params=None):
        images = images["pixels"] if isinstance(images, dict) else images
        assert images.dtype == "{dtype}", images.dtype
        assert {batch} in (None, len(images)), len(images)
        means = images.mean(axis={axes}, dtype=np.float64) * {factor}
        return {answer}

def _load_pyfunc(path):
    return Colours()
"""
PROBABILITIES = "means / means.sum(axis=1, keepdims=True)"


def save_model(
    folder: Path,
    shape: tuple[int, ...],
    dtype: str = "uint8",
    *,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    answer: str = PROBABILITIES,
) -> Path:
    """Save a model with a loader of its own. `answer` is an expression of `means` (n, 3), from 0 to 1."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    layout = (metadata or {}).get("preprocess", {}).get("layout", "NHWC" if shape[-1] == 3 else "NCHW")
    axes = (1, 2) if layout == "NHWC" else (2, 3)
    factor = 1 / 255 if dtype == "uint8" else 1
    batch = None if shape[0] == -1 else shape[0]
    code = MODEL.format(dtype=dtype, axes=axes, batch=batch, factor=factor, answer=answer)
    (folder / "code").mkdir(parents=True)
    module = f"colours_{abs(hash(str(folder)))}"  # models of one process must not share a module
    (folder / "code" / f"{module}.py").write_text(code)
    mlmodel = {
        "flavors": {"python_function": {"loader_module": module, "code": "code"}},
        "signature": {"inputs": json.dumps([tensor | ({"name": name} if name else {})])},
        "metadata": {"labels": list(COLOURS)} | (metadata or {}),
    }
    (folder / "MLmodel").write_text(json.dumps(mlmodel))
    return folder


def save_onnx(folder: Path, *, batch: int | None = None, external: bool = False, outputs: int = 1) -> Path:
    """Save an ONNX model of float32 (n, 3, 8, 8), as `mlflow.onnx.save_model` does, but in no time."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(10 * np.eye(3, dtype=np.float32), "weights")
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    names = ("probabilities", "means")[:outputs]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch or "n", 3, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch or "n", 3]) for name in names],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(parents=True)
    onnx.save(
        model, folder / "model.onnx", save_as_external_data=external, location="weights.bin", size_threshold=0
    )
    return folder


def describe_onnx(folder: Path, *, batch: int = -1, metadata: dict[str, Any] | None = None) -> Path:
    """Add the MLmodel file that MLflow writes beside an ONNX model."""
    spec = {"dtype": "float32", "shape": [batch, 3, 8, 8]}
    mlmodel = {
        "flavors": {
            "onnx": {"data": "model.onnx", "onnx_version": "1.23.2", "providers": ["CPUExecutionProvider"]},
            "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"},
        },
        "signature": {"inputs": json.dumps([{"name": "pixels", "type": "tensor", "tensor-spec": spec}])},
        "metadata": {"labels": list(COLOURS), "preprocess": {"scale": "1/255"}} | (metadata or {}),
    }
    (folder / "MLmodel").write_text(json.dumps(mlmodel))
    return folder


def write_pictures(folder: Path, count: int) -> list[str]:
    """Write red, green and blue pictures in turn with their labels, and return the labels."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [COLOURS[number % 3] for number in range(count)]
    for number, label in enumerate(labels):
        Image.new("RGB", (8, 8), label).save(folder / f"{number:03}.png")
    lines = [f"{number:03}.png,{label}" for number, label in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join(["img,label", *lines]))
    return labels
