"""Checks of the JSON types in request bodies, by the names of properties, before a handler reads them."""

from collections.abc import Mapping
from typing import Any

from tidepool.errors import AzureError
from tidepool.store import Document

_TYPE_NAMES: dict[type, str] = {dict: "an object", str: "a string", int: "a number"}
_TYPES: dict[str, type] = {
    **dict.fromkeys(
        ("tags", "inputs", "outputs", "jobs", "componentSpec", "credentials", "scaleSettings"), dict
    ),
    **dict.fromkeys(("destination", "filter", "retryPolicy", "trigger", "identity", "resources"), dict),
    **dict.fromkeys(
        ("dataUri", "modelUri", "codeUri", "dataType", "modelType", "jobType", "computeType"), str
    ),
    **dict.fromkeys(("datastoreType", "accountName", "containerName", "command", "vmSize", "computeId"), str),
    **dict.fromkeys(("principalId", "roleDefinitionId", "environmentId", "codeId", "componentId"), str),
    **dict.fromkeys(("minNodeCount", "maxNodeCount"), int),
}
# Each member of these properties must be an object.
_OF_OBJECTS = frozenset({"inputs", "outputs", "jobs"})
# The user decides the content of these properties, so it is not checked.
_FREE = frozenset({"tags", "environmentVariables", "componentSpec"})


def check_body(body: Mapping[str, Any]) -> None:
    """Raise AzureError 400 if a property of the body does not have the type that its name requires."""
    properties = _expect(body, "properties", dict)
    _expect(body, "tags", dict)
    if properties is None:
        return
    inner = _expect(properties, "properties", dict)
    _walk({name: value for name, value in properties.items() if name != "properties"})
    if inner is not None and "computeType" in properties:
        _walk(inner)


def _walk(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item)
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if name in _TYPES:
            _expect(value, name, _TYPES[name])
        if name in _OF_OBJECTS:
            for member in item or {}:
                _expect(item, member, dict)
        if name not in _FREE:
            _walk(item)


def _expect(holder: Mapping[str, Any], name: str, expected: type) -> Document | None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, expected) or isinstance(value, bool)):
        message = f"The request content was invalid: '{name}' must be {_TYPE_NAMES[expected]}."
        raise AzureError(400, "InvalidRequestContent", message)
    return value if isinstance(value, dict) else None
