"""The import of a user's Python file by its path."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from model_sets.errors import SetError


def import_file(file: Path, name: str = "") -> ModuleType:
    """Import a file as a module of this name, its own by default. Raise SetError if it is no Python file."""
    spec = importlib.util.spec_from_file_location(name or file.stem, file)
    if spec is None or spec.loader is None:
        raise SetError(f"{file.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
