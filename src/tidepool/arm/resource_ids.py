"""Ids of resources that are made of their type and their names, as `resourceId()` in a template does."""

from collections.abc import Sequence

from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.default_resources import SUBSCRIPTION


def resource_id(root: str, arguments: Sequence[object]) -> str:
    """Return the id of a resource: `([subscription], [resource group], type, name, name ...)`.

    `root` is the scope if the arguments name no group.
    """
    texts = [str(argument) for argument in arguments]
    at = _type_at(texts)
    if at == 1:
        root = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{texts[0]}"
    elif at == 2:
        root = f"/subscriptions/{texts[0]}/resourceGroups/{texts[1]}"
    return root + _provider_path(texts[at], texts[at + 1 :])


def subscription_resource_id(arguments: Sequence[object]) -> str:
    """Return the id of a resource of a subscription: `([subscription], type, name ...)`."""
    texts = [str(argument) for argument in arguments]
    at = _type_at(texts)
    subscription = texts[0] if at else SUBSCRIPTION
    return f"/subscriptions/{subscription}{_provider_path(texts[at], texts[at + 1 :])}"


def extension_resource_id(arguments: Sequence[object]) -> str:
    """Return the id of a resource that extends another one: `(id of the other, type, name ...)`."""
    scope, type_, *names = (str(argument) for argument in arguments)
    return scope.rstrip("/") + _provider_path(type_, names)


def _type_at(texts: Sequence[str]) -> int:
    for at, text in enumerate(texts[:3]):
        if "/" in text:
            return at
    raise InvalidTemplateError(f"The arguments {list(texts)} name no resource type such as 'Microsoft.A/b'.")


def _provider_path(type_: str, names: Sequence[str]) -> str:
    provider, *types = type_.strip("/").split("/")
    if len(types) != len(names):
        raise InvalidTemplateError(
            f"The resource type '{type_}' needs {len(types)} names, and has {len(names)}: {list(names)}."
        )
    pairs = "/".join(part for pair in zip(types, names, strict=True) for part in pair)
    return f"/providers/{provider}/{pairs}"
