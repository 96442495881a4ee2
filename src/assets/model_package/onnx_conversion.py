"""Converts a scikit-learn model to ONNX, and compares both on a holdout.

`tidegate package` starts `python onnx_conversion.py MODEL HOLDOUT TARGET`, because that runs the model's own
code. It writes TARGET only if the outputs are equal, and prints in one sentence what it did, with the exit
code 1 if there is no ONNX file.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MOST_ROWS = 1_000
_TOLERANCE = 1e-4
_LIBRARIES = ("mlflow", "onnxruntime", "pandas", "skl2onnx")
_TABLES = (".parquet", ".csv")
# The types of MLflow's columns as those of pandas.
_TYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}


class NotConvertedError(Exception):
    """A model that has no ONNX form. The message is one sentence."""


def convert(model: Path, holdout: Path, target: Path) -> str:
    """Write the ONNX form of a model, and return what was compared.

    Raise NotConvertedError if there is none.
    """
    if missing := [name for name in _LIBRARIES if find_spec(name) is None]:
        raise NotConvertedError(f"{missing[0]} is not installed: pip install 'tidegate[onnx]'")
    import mlflow.sklearn
    from mlflow.models import Model

    inputs = _inputs(Model.load(str(model)), holdout)
    estimator = mlflow.sklearn.load_model(str(model))
    expected = _outputs(estimator, inputs)
    content = _converted(estimator, inputs)
    difference = compare(expected, _run(content, inputs))
    target.write_bytes(content)
    return f"its outputs equal the model's on {len(inputs)} rows of the holdout, within {difference:.1e}"


def _inputs(described: Any, holdout: Path) -> Any:
    """Return at most MOST_ROWS rows of the holdout as the model takes them: a DataFrame, or a tensor."""
    if described.signature is None:
        raise NotConvertedError("it has no signature, which says what it takes")
    columns = described.signature.inputs
    if columns.is_tensor_spec():
        return _tensor(described, holdout)
    import pandas as pd

    files = sorted(file for file in holdout.rglob("*") if file.suffix in _TABLES)
    if not files:
        raise NotConvertedError("the holdout has no Parquet or CSV file")
    table = pd.read_parquet(files[0]) if files[0].suffix == ".parquet" else pd.read_csv(files[0])
    types = {item.name: _TYPES.get(item.type.name, "object") for item in columns}
    return table[list(types)].head(MOST_ROWS).astype(types)


def _tensor(described: Any, holdout: Path) -> Any:
    """Return images of the holdout as scoring prepares them."""
    assets = Path(__file__).parents[1]
    sys.path[:0] = [str(assets / name) for name in ("image_scoring", "evaluation")]
    from image_input import image_input
    from labelled import read_labelled
    from tensors import to_tensor

    given = image_input(described.to_dict())
    pixels = next(read_labelled(holdout).batches(given.frame, MOST_ROWS))
    return to_tensor(pixels, given)


def _outputs(estimator: Any, inputs: Any) -> list[Any]:
    outputs = [estimator.predict(inputs)]
    return [*outputs, estimator.predict_proba(inputs)] if hasattr(estimator, "predict_proba") else outputs


def _converted(estimator: Any, inputs: Any) -> bytes:
    import skl2onnx
    from sklearn.base import is_classifier

    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        return bytes(skl2onnx.to_onnx(estimator, inputs[:1], options=options).SerializeToString())
    except Exception as error:  # whatever a converter raises for what it does not know
        raise NotConvertedError(f"skl2onnx cannot convert it: {_first_line(error)}") from error


def _run(content: bytes, inputs: Any) -> list[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    if hasattr(inputs, "columns"):
        fed = {name: inputs[[name]].to_numpy() for name in names}
    else:
        fed = {names[0]: inputs}
    try:
        return list(session.run(None, fed))
    except Exception as error:  # ONNX Runtime's own classes
        raise NotConvertedError(f"the ONNX form does not run: {_first_line(error)}") from error


def compare(expected: list[Any], found: list[Any]) -> float:
    """Return the greatest relative difference of numbers.

    Raise NotConvertedError if it is too great, or if labels differ.
    """
    import numpy as np

    greatest = 0.0
    for one, other in zip(expected, found, strict=False):
        left, right = np.asarray(one), np.asarray(other).reshape(np.shape(one))
        if left.dtype.kind != "f":
            if wrong := int((left.astype(str) != right.astype(str)).sum()):
                raise NotConvertedError(f"its labels differ in {wrong} of {len(left)} rows of the holdout")
            continue
        greatest = max(greatest, float(np.max(np.abs(left - right) / np.maximum(1, np.abs(left)))))
    if not greatest <= _TOLERANCE:
        raise NotConvertedError(f"its outputs differ by up to {greatest:.1e} on the holdout")
    return greatest


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def main() -> None:
    model, holdout, target = map(Path, sys.argv[1:])
    try:
        print(convert(model, holdout, target))
    except Exception as error:  # noqa: BLE001  # the model's own code may raise anything
        print(
            error if isinstance(error, NotConvertedError) else f"{type(error).__name__}: {_first_line(error)}"
        )
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
