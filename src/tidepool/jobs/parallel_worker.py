"""A worker of a parallel step: loads the entry script and calls it for each mini-batch.

It runs in the environment of the job, so it imports only the standard library.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of `run`, for entry scripts that take it."""

    minibatch_index: int
    dataset_index: int = 0
    partition_key_value: dict[str, Any] | None = None


class EntryScript:
    """The class that entry scripts on Azure ML import from `azureml_user.parallel_run`."""

    logger = logging.getLogger("EntryScript")
    working_dir = str(Path.cwd())
    log_dir = str(Path("logs").absolute())


def main() -> None:
    connection = Connection(int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)
    settings = connection.recv_bytes()
    serve(connection, json.loads(settings))


def serve(connection: Connection, settings: dict[str, Any]) -> None:
    """Send `ready`, then one outcome for each mini-batch, until an empty message ends the work."""
    try:
        script = load(Path(settings["entry_script"]), settings["arguments"], settings["logging_level"])
        _call_if_defined(script, "init")
    except (Exception, SystemExit):  # noqa: BLE001  # whatever the script raises is the step's error
        _send(connection, {"init_error": traceback.format_exc()})
        return
    _send(connection, {"ready": True})
    while message := connection.recv_bytes():
        batch = json.loads(message)
        context = MiniBatchContext(batch["index"], partition_key_value=batch["partition"])
        _send(connection, outcome(script.run, batch, context))
    _call_if_defined(script, "shutdown")
    _send(connection, {"shutdown": True})


def load(entry_script: Path, arguments: list[str], logging_level: str) -> ModuleType:
    """Import the entry script, with the `sys.argv` and the import path that it has on Azure ML."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
    EntryScript.logger.setLevel(logging_level)
    _define_azureml_user()
    file = entry_script.absolute()
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{entry_script} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise TypeError(f"{entry_script.name} defines no function run(mini_batch)")
    return module


def outcome(run: Callable[..., Any], batch: dict[str, Any], context: MiniBatchContext) -> dict[str, Any]:
    """Call `run` once, and return the number of results and their rows, or the traceback."""
    try:
        items = _frame(batch["frame"]) if batch["frame"] else batch["files"]
        takes_context = len(inspect.signature(run).parameters) > 1
        result = run(items, context) if takes_context else run(items)
        return {"results": len(result), "rows": _rows(result)}
    except Exception:  # noqa: BLE001  # whatever the script raises is the mini-batch's error
        return {"error": traceback.format_exc()}


def _frame(file: str) -> Any:
    import pandas as pd

    return pd.read_pickle(file)


def _rows(result: Any) -> str:
    """Return the rows for `append_row_to`.

    As on Azure ML, a DataFrame is written without a header, and its columns are separated by spaces.
    """
    if hasattr(result, "to_csv"):
        return str(result.to_csv(sep=" ", header=False, index=False))
    return "".join(f"{item}\n" for item in result)


def _define_azureml_user() -> None:
    package, module = ModuleType("azureml_user"), ModuleType("azureml_user.parallel_run")
    module.EntryScript = EntryScript  # type: ignore[attr-defined]
    package.parallel_run = module  # type: ignore[attr-defined]
    sys.modules.update({"azureml_user": package, "azureml_user.parallel_run": module})


def _call_if_defined(script: ModuleType, name: str) -> None:
    function = getattr(script, name, None)
    if callable(function):
        function()


def _send(connection: Connection, message: dict[str, Any]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    main()
