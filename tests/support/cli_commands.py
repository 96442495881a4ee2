"""The commands of the command line, from its own registry, so that a new command is tested by itself."""

from collections.abc import Mapping
from typing import Any

import typer.main

from tidegate.cli.app import app

COMMANDS: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def uses_service(command: Any) -> bool:
    """Return whether a command asks the API of the service."""
    return any(parameter.name == "url" for parameter in command.params)


def required_arguments(command: Any, values: Mapping[str, list[str]]) -> list[str]:
    """Return arguments for the parameters that a command cannot do without.

    `values` has them by the parameter's name. Fail if a new parameter has none.
    """
    arguments: list[str] = []
    for parameter in command.params:
        if not parameter.required or parameter.name == "by":
            continue
        assert parameter.name in values, f"add a value for the parameter {parameter.name} of {command.name}"
        option = [parameter.opts[0]] if parameter.opts[0].startswith("-") else []
        arguments += [*option, *values[parameter.name]]
    return arguments
