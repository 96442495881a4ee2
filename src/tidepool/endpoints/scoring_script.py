"""The entry script of a deployment: `init` is called once, `run` for each request.

It runs in the environment of the deployment, so it imports only the standard library.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Callable

from tidepool.endpoints.scoring_requests import define_modules

Run = Callable[..., Any]


class RefusedInputError(ValueError):
    """The model cannot take the input in the request."""


def script_run(file: Path) -> Run:
    """Import an entry script, call its `init`, and return its `run`.

    Raise SystemExit if the script or one of the two functions is missing.
    """
    sys.path.insert(0, str(file.parent))
    define_modules()
    spec = importlib.util.spec_from_file_location("entry_script", file)
    if spec is None or spec.loader is None or not file.exists():
        raise SystemExit(f"The entry script {file.name} was not found.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_script"] = module
    spec.loader.exec_module(module)
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise SystemExit(f"The entry script {file.name} defines no function {name}().")
    module.init()
    run: Run = module.run
    return run
