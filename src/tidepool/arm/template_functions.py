"""Template functions whose values depend only on their arguments, by name in lower case."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from tidepool.errors import AzureError

# The namespace of guid(): https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string
_GUIDS = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
_FORMAT_ITEM = re.compile(r"\{(\d+)\}")


class InvalidTemplateError(AzureError):
    """The template is not valid: 400 `InvalidTemplate`."""

    def __init__(self, message: str) -> None:
        text = f"Deployment template validation failed: '{message}'."
        super().__init__(400, "InvalidTemplate", text)


def unique_string(*values: str) -> str:
    """Return 13 letters and digits that are derived from the values. Azure derives other ones."""
    digest = hashlib.sha256("-".join(values).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return "".join(_text(value) for value in values)


def _format(pattern: str, *values: Any) -> str:
    return _FORMAT_ITEM.sub(lambda match: _text(values[int(match[1])]), pattern)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, dict | list):
        raise TypeError("an object or an array is not a text")
    return "" if value is None else str(value)


def _equals(left: Any, right: Any) -> bool:
    """Compare as Azure does: the case of texts matters, and values of different types are not equal."""
    return type(left) is type(right) and bool(left == right)


def _all(*values: bool) -> bool:
    return all(_condition(value) for value in values)


def _any(*values: bool) -> bool:
    return any(_condition(value) for value in values)


def _not(value: bool) -> bool:
    return not _condition(value)


def _condition(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _empty(value: Any) -> bool:
    return value is None or len(value) == 0


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _guid(*values: str) -> str:
    return str(uuid.uuid5(_GUIDS, "-".join(values)))


def _lower(value: str) -> str:
    return value.lower()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": _all,
    "array": _array,
    "coalesce": _coalesce,
    "concat": _concat,
    "empty": _empty,
    "equals": _equals,
    "format": _format,
    "guid": _guid,
    "json": json.loads,
    "not": _not,
    "or": _any,
    "tolower": _lower,
    "true": lambda: True,
    "false": lambda: False,
    "null": lambda: None,
    "uniquestring": unique_string,
}
