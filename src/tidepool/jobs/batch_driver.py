"""The entry script of the parallel step of a batch deployment: calls the user's script, or an MLflow model.

It runs in the environment of the deployment, so it imports only the standard library, and MLflow and pandas
for MLflow models.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

_script: ModuleType | MlflowScript | None = None


class MlflowScript:
    """The script of an MLflow model: its predictions for each file, as `row,prediction,file`."""

    def __init__(self, model: Path) -> None:
        self._model_path = model
        self._model: Any = None

    def init(self) -> None:
        from mlflow.pyfunc import load_model

        self._model = load_model(str(self._model_path))

    def run(self, mini_batch: list[str]) -> list[str]:
        rows: list[str] = []
        for file in mini_batch:
            predictions = self._model.predict(_read(file))
            rows += [f"{row},{value},{Path(file).name}" for row, value in enumerate(_values(predictions))]
        return rows


def init() -> None:
    """Prepare the variables that Azure ML sets, import the script, and call its `init`."""
    global _script  # noqa: PLW0603  # the driver calls functions of a module
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--model-name", default="")
    parser.add_argument("--output", required=True)
    parser.add_argument("--script", default="")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(output if output.is_dir() else output.parent)
    model = _model_folder(Path(arguments.model), arguments.model_name) if arguments.model else None
    if arguments.script:
        _script = _load(Path(arguments.script))
    else:
        assert model is not None
        _script = MlflowScript(model)
    if callable(start := getattr(_script, "init", None)):
        start()


def run(mini_batch: list[str]) -> Any:
    assert _script is not None
    result = _script.run(mini_batch)
    return result if hasattr(result, "__len__") else list(result)  # a script may be a generator


def _model_folder(model: Path, name: str) -> Path:
    """Make AZUREML_MODEL_DIR, a folder that contains the model under its own name, and return the model.

    Its files are hard links, because MLflow loads no model through a symbolic link.
    """
    folder = Path(tempfile.mkdtemp(prefix="azureml-models-", dir=Path.cwd()))
    copy = folder / (name or model.name)
    if model.is_dir():
        shutil.copytree(model, copy, copy_function=_link)
    else:
        _link(str(model), str(copy))
    os.environ["AZUREML_MODEL_DIR"] = str(folder)
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the target is on another file system
        shutil.copyfile(source, target)


def _load(file: Path) -> ModuleType:
    sys.argv = [str(file.absolute())]
    sys.path.insert(0, str(file.absolute().parent))
    spec = importlib.util.spec_from_file_location(file.stem, file.absolute())
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise TypeError(f"{file.name} defines no function run(mini_batch)")
    return module


def _read(file: str) -> Any:
    """Return the content of a file as the input of an MLflow model."""
    import pandas as pd

    readers = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".pqt": pd.read_parquet,
        ".json": pd.read_json,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    suffix = Path(file).suffix.lower()
    if suffix not in readers:
        raise ValueError(
            f"{Path(file).name}: for MLflow models without a script Tidepool reads {', '.join(readers)}"
        )
    return readers[suffix](file)


def _values(predictions: Any) -> list[Any]:
    """Return one value for each row."""
    if hasattr(predictions, "to_dict"):
        values = predictions.values.tolist()
        return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]
    return predictions.tolist() if hasattr(predictions, "tolist") else list(predictions)
