"""What answers requests in a deployment: `run` of an entry script, after `init`. Standard library only."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[str], Any]


class RefusedInputError(ValueError):
    """The request is not one that the model can take."""


def script_run(file: Path) -> Run:
    """`run` of an entry script, after its `init`."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location("entry_script", file)
    if spec is None or spec.loader is None or not file.exists():
        raise SystemExit(f"The entry script {file.name} was not found.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_script"] = module
    spec.loader.exec_module(module)
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise SystemExit(f"The entry script {file.name} has no {name}().")
    module.init()
    run: Run = module.run
    return run
