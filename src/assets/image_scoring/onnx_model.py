"""An ONNX model, on a GPU by ONNX Runtime, and on a CPU by OpenVINO if it is installed.

OpenVINO is twice as fast on some CPUs.
"""

import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from preprocess_keys import UnfitModelError

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], dict[str, Array]]

# An entry `location` of a tensor whose values are in another file (ONNX's message StringStringEntryProto).
_LOCATION = re.compile(rb"\x0a\x08location\x12(.)", re.DOTALL)


def load_onnx(file: Path, name: str | None) -> Predict:
    """Return a function from the input tensor to the outputs by their names.

    Raise UnfitModelError if a file with weights is missing, or if the model takes several inputs.
    """
    if missing := [part for part in external_files(file) if not (file.parent / part).is_file()]:
        raise UnfitModelError(
            f"{file.name} has weights in {missing[0]}, and this file is missing:"
            " register the folder with all files of the model"
        )
    providers = _providers()
    if providers == ["CPUExecutionProvider"] and (compiled := _with_openvino(file)):
        return compiled
    return _with_onnxruntime(file, name, providers)


def external_files(file: Path) -> list[str]:
    """Return the names of the files that have weights of an ONNX file, without reading it as a whole."""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {content[m.end() : m.end() + m[1][0]] for m in _LOCATION.finditer(content)}
    return sorted(name.decode(errors="replace") for name in names)


def _providers() -> list[str]:
    try:
        import onnxruntime
    except ImportError:
        return ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]


def _with_onnxruntime(file: Path, name: str | None, providers: list[str]) -> Predict:
    import onnxruntime

    if "CUDAExecutionProvider" in providers and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # the libraries of CUDA that pip installed beside it
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=providers)
    inputs = [given.name for given in session.get_inputs()]
    outputs = [output.name for output in session.get_outputs()]
    if len(inputs) != 1 and name not in inputs:
        raise UnfitModelError(f"it takes {len(inputs)} inputs, {', '.join(inputs)}, expected one")
    fed = name if name in inputs else inputs[0]
    return lambda array: dict(zip(outputs, session.run(outputs, {fed: array}), strict=True))


def _with_openvino(file: Path) -> Predict | None:
    """Return the model compiled by OpenVINO, or None if it is not installed or cannot read the model."""
    try:
        import openvino
    except ImportError:
        return None
    # Full precision, whatever the processor offers: the gate and people compare the scores.
    try:
        model = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError:  # operators that it lacks, such as those of scikit-learn
        return None
    names = [output.get_any_name() for output in model.outputs]

    def predict(array: Array) -> dict[str, Array]:
        result = model(array)
        return {name: result[place] for place, name in enumerate(names)}

    return predict
