"""MLflow's tracking stores in SQLite files, for scripts that run outside Tidepool."""

import contextlib
import os
import shutil
import sqlite3
from importlib.metadata import version
from pathlib import Path

_TEMPLATE = Path(__file__).parent / "__pycache__" / f"mlflow-{version('mlflow')}.db"


def new_tracking_store(folder: Path) -> str:
    """Return the URI of an empty tracking store in a folder.

    MLflow creates its tables in dozens of migrations. So this is done once, and the file is kept as bytecode
    is.
    """
    if not _TEMPLATE.exists():
        _create_template()
    shutil.copyfile(_TEMPLATE, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


def _create_template() -> None:
    from mlflow import MlflowClient

    made, part = (_TEMPLATE.with_name(f"{_TEMPLATE.name}.{os.urandom(4).hex()}") for _ in range(2))
    _TEMPLATE.parent.mkdir(exist_ok=True)
    MlflowClient(f"sqlite:///{made}")
    with (
        contextlib.closing(sqlite3.connect(made)) as source,
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        source.backup(copy)  # which includes what is in a journal of its own
    made.unlink()
    part.replace(_TEMPLATE)
