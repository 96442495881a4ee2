"""The parameters of a template: their defaults, types and allowed values."""

from collections.abc import Mapping
from typing import Any, Protocol

from tidepool.arm.expressions import Scope, evaluate
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.errors import AzureError
from tidepool.store import Document

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "object": dict,
    "secureobject": dict,
    "array": list,
}


class _ParameterScope(Scope, Protocol):
    parameters: dict[str, Any]


async def parameter_values(
    declared: Mapping[str, Document], given: Mapping[str, Document], scope: _ParameterScope
) -> None:
    """Write the value of each parameter to `scope.parameters`, by name in lower case.

    A null counts as not given, so that the default applies.
    """
    by_name = {name.lower(): item for name, item in given.items()}
    unknown = [name for name in given if name.lower() not in {key.lower() for key in declared}]
    if unknown:
        raise InvalidTemplateError(
            "The following parameters were supplied, but do not correspond to any parameters defined in the "
            f"template: '{', '.join(unknown)}'."
        )
    for name, declaration in declared.items():
        item = by_name.get(name.lower()) or {}
        if "reference" in item:
            raise AzureError(
                501, "NotEmulated", f"Tidepool does not emulate the key vault reference of '{name}'."
            )
        value = item.get("value")
        if value is None:
            if "defaultValue" not in declaration:
                raise InvalidTemplateError(f"The value for the template parameter '{name}' is not provided.")
            value = await evaluate(declaration["defaultValue"], scope)
        _check(name, declaration, value)
        scope.parameters[name.lower()] = value


def _check(name: str, declaration: Document, value: Any) -> None:
    type_name = str(declaration.get("type"))
    expected = _TYPES.get(type_name.lower())
    if expected is None:
        raise InvalidTemplateError(f"The type '{type_name}' of the template parameter '{name}' is not valid.")
    right = isinstance(value, expected) and not (isinstance(value, bool) and expected is not bool)
    if value is not None and not right:
        raise InvalidTemplateError(
            f"The value of the template parameter '{name}' is not of the type '{type_name}'."
        )
    allowed = declaration.get("allowedValues")
    if allowed and value not in allowed:
        raise _invalid(
            name, value, f"The parameter value is not part of the allowed value(s): '{_listed(allowed)}'"
        )
    if isinstance(value, str | list):
        _check_range(
            name, value, f"The length of the value is {len(value)}, and", len(value), declaration, "Length"
        )
    elif isinstance(value, int):
        _check_range(name, value, "The parameter value", value, declaration, "Value")


def _check_range(  # noqa: PLR0913, PLR0917 - what an error says of the value
    name: str, value: Any, what: str, number: int, declaration: Document, kind: str
) -> None:
    """Raise InvalidTemplateError if a number is outside of what `minValue` and so on of a parameter allow."""
    lowest, highest = declaration.get(f"min{kind}"), declaration.get(f"max{kind}")
    if lowest is not None and number < lowest:
        raise _invalid(name, value, f"{what} must be greater than or equal to '{lowest}'")
    if highest is not None and number > highest:
        raise _invalid(name, value, f"{what} must be less than or equal to '{highest}'")


def _listed(values: list[Any]) -> str:
    return ",".join(map(str, values))


def _invalid(name: str, value: Any, reason: str) -> InvalidTemplateError:
    return InvalidTemplateError(
        f"The provided value '{value}' for the template parameter '{name}' is not valid. {reason}."
    )
