"""The index of the functions of an app, with the checks of Azure's Python worker. It runs in the worker.

The checks are the same as in `functions.py` and `loader.py` of azure_functions_worker. The check of names is
that of the host. This module imports few others, because each import makes the start of every app slower.
"""

import importlib
import inspect
import json
import os
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions import meta

Binding = dict[str, Any]

SCRIPT_SETTING = "PYTHON_SCRIPT_FILE_NAME"
DEFAULT_SCRIPT = "function_app.py"

_SCRIPT_NAME = re.compile(r"^[a-zA-Z0-9_][a-zA-Z0-9_\-]*\.py$")
_FUNCTION_NAME = re.compile(r"^[a-z][a-z0-9_\-]{0,127}$", re.IGNORECASE)
# Binding type -> the class that checks and converts its values.
converters: Any = meta._ConverterMeta

_RETURN = "$return"
_GENERIC = "generic"


class IndexingError(Exception):
    """An error in the app. Because of this error, Azure finds no functions in the app."""


@dataclass(frozen=True, kw_only=True)
class IndexedFunction:
    """A function that can be invoked: the callable, and for each parameter the type of its binding."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool
    trigger: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    returns: str | None
    bindings: list[Binding] = field(default_factory=list)
    retry: dict[str, Any] | None = None


def index(app_dir: Path) -> list[IndexedFunction]:
    """Return the functions of an app. After any exception Azure would find no functions in it."""
    script = _script(app_dir)
    sys.path.append(str(app_dir))
    module = importlib.import_module(Path(script).stem)
    return [_indexed(function) for function in _app(module, script).get_functions()]


def _script(app_dir: Path) -> str:
    script = os.environ.get(SCRIPT_SETTING) or DEFAULT_SCRIPT
    if not _SCRIPT_NAME.match(script):
        raise IndexingError(f"{SCRIPT_SETTING} is {script!r}; it must be the name of a .py file, not a path.")
    if not (app_dir / script).is_file():
        raise IndexingError(f"{app_dir} has no file {script}, so it has no functions.")
    return script


def _app(module: Any, script: str) -> Any:
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if not apps:
        raise IndexingError(f"Could not find top level function app instances in {script}.")
    if len(apps) > 1:
        raise IndexingError(
            f"More than one {type(apps[0]).__name__} or other top level app is defined in {script}."
        )
    return apps[0]


def _indexed(function: Any) -> IndexedFunction:
    name = str(function.get_function_name())
    if not _FUNCTION_NAME.match(name) or name.lower() == "host":
        raise IndexingError(f"'{name}' is not a valid function name.")
    call = function.get_user_function()
    bindings = {binding.name: binding for binding in function.get_bindings()}
    _check_directions(name, bindings)
    annotations = typing.get_type_hints(call)
    parameters = dict(inspect.signature(call).parameters)
    wants_context = _takes_context(name, parameters, bindings, annotations)
    bound = {key: binding for key, binding in bindings.items() if key != _RETURN}
    _check_parameters(name, parameters, bound)
    types = {key: _parameter_type(name, bound[key], annotations) for key in parameters}
    return IndexedFunction(
        name=name,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=wants_context,
        trigger=function.get_trigger().name,
        inputs={key: kind for key, kind in types.items() if not _is_output(bound[key])},
        outputs={key: kind for key, kind in types.items() if _is_output(bound[key])},
        returns=_return_type(name, bindings.get(_RETURN), annotations),
        bindings=[json.loads(raw) for raw in function.get_raw_bindings()],
        retry=function.get_settings_dict("retry_policy"),
    )


def _is_output(binding: Any) -> bool:
    return bool(binding.direction == func.decorators.core.BindingDirection.OUT.value)


def _check_directions(name: str, bindings: Mapping[str, Any]) -> None:
    for key, binding in bindings.items():
        if binding.direction == func.decorators.core.BindingDirection.INOUT.value:
            raise _cannot_load(name, '"inout" bindings are not supported')
        if key == _RETURN and not _is_output(binding):
            raise _cannot_load(name, '"$return" binding must have direction set to "out"')


def _takes_context(
    name: str, parameters: dict[str, Any], bindings: Mapping[str, Any], annotations: Mapping[str, Any]
) -> bool:
    if "context" not in parameters or "context" in bindings:
        return False
    parameters.pop("context")
    annotation = annotations.get("context")
    if annotation is not None and getattr(annotation, "__name__", "") != "Context":
        raise _cannot_load(
            name,
            f'the "context" parameter is expected to be of type azure.functions.Context, got {annotation!r}',
        )
    return True


def _check_parameters(name: str, parameters: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
    definition = "the function definition (function.json or function decorators)"
    if unbound := set(parameters) - set(bound):
        raise _cannot_load(
            name, f"the following parameters are declared in Python but not in {definition}: {unbound!r}"
        )
    if undeclared := set(bound) - set(parameters):
        raise _cannot_load(
            name, f"the following parameters are declared in {definition} but not in Python: {undeclared!r}"
        )


def _parameter_type(name: str, binding: Any, annotations: Mapping[str, Any]) -> str:
    """Check the annotation of a parameter, and return the name of its converter."""
    if binding.name not in annotations:
        return str(binding.type)
    annotation = annotations[binding.name]
    is_out = getattr(typing.get_origin(annotation) or annotation, "__name__", "") == "Out"
    if is_out and len(typing.get_args(annotation)) != 1:
        raise _cannot_load(name, f"binding {binding.name} has invalid Out annotation {annotation!r}")
    pytype = typing.get_args(annotation)[0] if is_out else annotation
    if not isinstance(pytype, type) and typing.get_origin(pytype) is None:
        raise _cannot_load(name, f"binding {binding.name} has invalid non-type annotation {annotation!r}")
    if is_out != _is_output(binding):
        raise _cannot_load(name, _wrong_direction(binding.name, is_out))
    kind = _GENERIC if pytype in (str, bytes) else str(binding.type)
    if not _accepts(kind, pytype, is_out):
        raise _cannot_load(
            name,
            f'type of {binding.name} binding in the function definition "{binding.type}" '
            f'does not match its Python annotation "{getattr(pytype, "__name__", pytype)}"',
        )
    return kind


def _wrong_direction(name: str, is_out: bool) -> str:
    if is_out:
        return (
            f'binding {name} is declared to have the "in" direction in the function definition, '
            "but its annotation is azure.functions.Out in Python"
        )
    return (
        f'binding {name} is declared to have the "out" direction, but its annotation in Python '
        "is not a subclass of azure.functions.Out"
    )


def _return_type(name: str, binding: Any, annotations: Mapping[str, Any]) -> str | None:
    if binding is None:
        return None
    if "return" not in annotations:
        return str(binding.type)
    annotation = annotations["return"]
    if getattr(typing.get_origin(annotation), "__name__", "") == "Out":
        raise _cannot_load(name, "return annotation should not be azure.functions.Out")
    if not isinstance(annotation, type):
        raise _cannot_load(name, f"has invalid non-type return annotation {annotation!r}")
    if not _accepts(str(binding.type), annotation, True):
        raise _cannot_load(
            name,
            f'Python return annotation "{annotation.__name__}" does not match binding type "{binding.type}"',
        )
    return str(binding.type)


def _accepts(kind: str, pytype: Any, is_out: bool) -> bool:
    if kind == _GENERIC:
        return True
    converter = converters.get(kind)
    if converter is None:
        return False
    try:
        check = converter.check_output_type_annotation if is_out else converter.check_input_type_annotation
        return bool(check(pytype))
    # Issubclass() got a generic type, or the converter has no check for this direction.
    except (TypeError, AttributeError):
        return False


def _cannot_load(name: str, message: str) -> IndexingError:
    return IndexingError(f"cannot load the {name} function: {message}")


def described(functions: list[IndexedFunction]) -> Iterator[dict[str, Any]]:
    """Yield the description of each function for the host.

    It contains only basic types such as dict and str.
    """
    for function in functions:
        yield {
            "name": function.name,
            "trigger": function.trigger,
            "bindings": function.bindings,
            "retry": function.retry,
        }
