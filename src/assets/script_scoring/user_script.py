"""A scoring script of the user with `init()` and `run(mini_batch)`, as batch scoring and endpoint call it.

`run` gets the paths of files, and returns a list with one dictionary for each of them, or a DataFrame. If the
dictionaries name their files (`img`, `file`, `filename` or `path`), the order does not matter; otherwise they
are in the order of the files.
"""

import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

NAME_KEYS = ("img", "file", "filename", "path")
USER_FILES = "user"  # the folder with the user's files, beside this module
MODEL_VARIABLE = "TIDEGATE_MODEL"
MOST_MESSAGE = 1000  # characters of the message of an exception

log = logging.getLogger(__name__)


class ScriptError(ValueError):
    """A script that cannot score, or whose answer cannot be understood. The message is one sentence."""


class UserScript:
    """A loaded script after its `init()`."""

    def __init__(self, file: Path) -> None:
        self._module = _load(file)
        for name in ("init", "run"):
            if not callable(getattr(self._module, name, None)):
                raise ScriptError(f"{file.name} defines no function {name}()")
        self._module.init()

    def score(self, files: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the rows of files. `files` has the name of each path in the manifest.

        If the script fails for several files, each is scored alone. A file with which it fails alone becomes
        a row with the error. Raise ScriptError if what it returns cannot be understood.
        """
        try:
            return self._rows(files)
        except ScriptError:
            raise
        except Exception as error:
            log.warning("script_failed files=%d", len(files), exc_info=True)
            if len(files) == 1:
                return [{"img": name, "error": _one_line(error)} for name in files.values()]
        return [row for path, name in files.items() for row in self.score({path: name})]

    def _rows(self, files: Mapping[str, str]) -> list[dict[str, Any]]:
        return rows_of(self._module.run(list(files)), files)


def use_model(model: Path) -> None:
    """Set AZUREML_MODEL_DIR as an online endpoint has it: a folder that contains the model's folder.

    Its files are hard links, because MLflow loads no model through a symbolic link.
    """
    folder = Path(tempfile.mkdtemp(prefix="azureml-models-"))
    shutil.copytree(model, folder / "model", copy_function=_link)
    os.environ["AZUREML_MODEL_DIR"] = str(folder)
    os.environ[MODEL_VARIABLE] = str(folder / "model")


def use_endpoint_model() -> None:
    """Set TIDEGATE_MODEL to the folder with the MLmodel file, or else to the only thing that is there."""
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(folder.rglob("MLmodel"), key=lambda file: len(file.parts))
    inner = list(folder.iterdir())
    os.environ[MODEL_VARIABLE] = str(found[0].parent if found else inner[0] if len(inner) == 1 else folder)


def rows_of(results: Any, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what a script returned as rows with the key `img`, the name of the file in the manifest.

    Raise ScriptError if it is no list of dictionaries, or names other files.
    """
    if hasattr(results, "to_dict"):
        results = results.to_dict("records")
    if not isinstance(results, list | tuple) or not all(isinstance(item, Mapping) for item in results):
        raise ScriptError("run() must return a list with one dictionary for each file")
    keys = [next((key for key in NAME_KEYS if key in item), None) for item in results]
    if not any(keys):
        if len(results) != len(files):
            raise ScriptError(
                f"run() returned {len(results)} dictionaries for {len(files)} files, and none of the keys "
                f"{', '.join(NAME_KEYS)} says which"
            )
        return [{"img": name, **_plain(item)} for name, item in zip(files.values(), results, strict=True)]
    rows = []
    for key, item in zip(keys, results, strict=True):
        if key is None:
            raise ScriptError("run() returned dictionaries with the name of their file, and others without")
        rest = {other: value for other, value in item.items() if other != key}
        rows.append({"img": _name(str(item[key]), files), **_plain(rest)})
    return rows


def _name(text: str, files: Mapping[str, str]) -> str:
    """Return the file that a script means by a path, a name in the manifest or a name without folders."""
    if text in files:
        return files[text]
    if text in files.values():
        return text
    by_end = [name for name in files.values() if Path(name).name == text]
    if len(by_end) != 1:
        what = "several files" if by_end else "no file"
        raise ScriptError(
            f"run() returned a dictionary for {text}, which is the name of {what} of its mini-batch"
        )
    return by_end[0]


def _plain(item: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a dictionary that JSON can have: numpy's values become Python's."""
    return {str(key): _value(value) for key, value in item.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _load(file: Path) -> ModuleType:
    """Import a script with the `sys.argv` and the import path that it would have by itself."""
    sys.argv = [str(file)]
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ScriptError(f"{file.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def find_script() -> Path:
    """Return the user's script, which `tidegate deploy` put into a folder beside this module."""
    folder = Path(__file__).parent
    return folder / USER_FILES / (folder / "script.txt").read_text(encoding="utf-8").strip()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the target is on another file system
        shutil.copyfile(source, target)


def _one_line(error: Exception) -> str:
    """Return the class and the message of an exception in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:MOST_MESSAGE]}" if message else type(error).__name__
