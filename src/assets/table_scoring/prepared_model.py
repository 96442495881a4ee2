"""A model together with the function that prepares its tables, so that both run everywhere: `save` makes one.

A file `prepare.py` defines `prepare(table) -> table`, which takes and returns a pandas DataFrame with the
same number of rows in the same order. Training calls it through `load_prepare`; batch scoring, the evaluation
and an endpoint run it because it is part of the model, whose signature is that of the table before it.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

Prepare = Callable[[Any], Any]
PREPARE, MODEL = "prepare.py", "model"


def save(model: Path, prepare: Path, path: Path, signature: "ModelSignature", **options: Any) -> None:
    """Save a saved MLflow model together with its prepare file as one MLflow model.

    `signature` has the columns of the table before it is prepared. `options` are those of
    `mlflow.pyfunc.save_model`, such as metadata.
    """
    import mlflow.pyfunc

    load_prepare(prepare)
    requirements = model / "requirements.txt"
    if requirements.is_file():
        options.setdefault("pip_requirements", str(requirements))
    with tempfile.TemporaryDirectory() as folder:
        together = Path(folder) / "prepared"
        shutil.copytree(model, together / MODEL)
        shutil.copyfile(prepare, together / PREPARE)
        mlflow.pyfunc.save_model(
            path=str(path),
            loader_module=Path(__file__).stem,
            code_paths=[__file__],
            data_path=str(together),
            signature=signature,
            **options,
        )


def load_prepare(file: Path) -> Prepare:
    """Return the function `prepare` of a file, with a check that it keeps the rows.

    Raise ValueError if the file defines no such function.
    """
    spec = importlib.util.spec_from_file_location(f"prepare_{abs(hash(file.absolute()))}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prepare = getattr(module, "prepare", None)
    if not callable(prepare):
        raise ValueError(f"{file} defines no function prepare(table)")  # noqa: TRY004  the file is wrong

    def checked(table: Any) -> Any:
        prepared = prepare(table)
        if len(prepared) != len(table):
            raise ValueError(f"prepare returned {len(prepared)} rows for {len(table)} rows")
        return prepared

    return checked


class PreparedModel:
    """A loaded model whose input is prepared first."""

    def __init__(self, folder: Path) -> None:
        import mlflow.pyfunc

        self._prepare = load_prepare(folder / PREPARE)
        self._model = mlflow.pyfunc.load_model(str(folder / MODEL))

    def predict(self, table: Any, params: dict[str, Any] | None = None) -> Any:
        prepared = self._prepare(table)
        return self._model.predict(prepared, params) if params else self._model.predict(prepared)


def _load_pyfunc(folder: str) -> PreparedModel:
    """Load the model, as MLflow calls it."""
    return PreparedModel(Path(folder))
