"""A snapshot of a template: the resources that `bicep snapshot` predicts, in the order of their creation.

A snapshot names no dependencies. They follow from ids: a resource group comes before its resources, a parent
before its child, the scope of an extension resource before it, and what a resource names before the resource.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidepool.arm.expressions import (
    Literal,
    Member,
    Node,
    calls,
    expressions,
    is_expression,
    parse_expression,
)
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.errors import AzureError
from tidepool.store import Document

# The type that a template names, and the type in the path of a request.
_GROUP_TYPES = ("microsoft.resources/resourcegroups", "Microsoft.Resources/subscriptions/resourceGroups")
_NOT_SENT = {"id", "name", "type", "apiVersion", "condition", "scope"}


@dataclass(frozen=True)
class SnapshotResource:
    """A predicted resource. `id` and `body` may still have expressions. `named` are the ids in both."""

    id: str
    type: str
    body: Document
    condition: Any
    named: frozenset[str]

    @property
    def label(self) -> str:
        """Return how messages name the resource: its id, or its type at the resource that it extends."""
        if not is_expression(self.id):
            return self.id
        scope = next(_ids(self.id), "")
        return f"{self.type} at {scope}"


@dataclass(frozen=True)
class Snapshot:
    """A template whose parameters have values, apart from the secure ones."""

    resources: tuple[SnapshotResource, ...]
    outputs: Document

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Snapshot":
        """Read the JSON of a snapshot. Raise InvalidTemplateError if it is none, or if it has a cycle."""
        predicted = document.get("predictedResources")
        if not isinstance(predicted, list):
            raise InvalidTemplateError(
                "A snapshot of Bicep has a list 'predictedResources'. See bicep snapshot."
            )
        resources = [_resource(item) for item in predicted]
        return cls(tuple(in_order(resources)), dict(document.get("outputs") or {}))

    def parameters(self) -> set[str]:
        """Return the names of the parameters that the snapshot leaves open, which are the secure ones."""
        open_ = [
            *({"id": item.id, "c": item.condition, **item.body} for item in self.resources),
            self.outputs,
        ]
        return {
            str(call.arguments[0].value)
            for node in _parsed(open_)
            for call in calls(node)
            if call.name == "parameters" and call.arguments and isinstance(call.arguments[0], Literal)
        }


def read_snapshot_file(file: Path) -> Document:
    """Return the JSON of a snapshot file. Raise InvalidTemplateError if it cannot be read."""
    try:
        document: Document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidTemplateError(f"{file} cannot be read as a snapshot: {error}") from error
    return document


def environment_name(parameter: str) -> str:
    """Return the environment variable that gives a parameter: NOTIFY_URL for notifyUrl."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in parameter).upper().lstrip("_")


def in_order(resources: Sequence[SnapshotResource]) -> Iterator[SnapshotResource]:
    """Yield each resource after those that it needs. Raise InvalidTemplateError with the ids of a cycle."""
    needs = needed(resources)
    done: set[int] = set()

    def visit(at: int, path: tuple[int, ...]) -> Iterator[SnapshotResource]:
        if at in done:
            return
        if at in path:
            cycle = [resources[index].label for index in (*path[path.index(at) :], at)]
            raise InvalidTemplateError(f"Circular dependency detected: {' needs '.join(cycle)}")
        for other in needs[at]:
            yield from visit(other, (*path, at))
        done.add(at)
        yield resources[at]

    for at in range(len(resources)):
        yield from visit(at, ())


def needed(resources: Sequence[SnapshotResource]) -> list[list[int]]:
    """Return for each resource the indexes of those that it needs.

    It needs each resource whose id it names, and each that contains a resource whose id it names.
    """
    index = {item.id.lower(): at for at, item in enumerate(resources) if not is_expression(item.id)}
    return [
        sorted(
            {
                index[outer]
                for name in item.named
                for outer in _with_outer(name)
                if outer in index and index[outer] != at
            }
        )
        for at, item in enumerate(resources)
    ]


def _resource(item: Any) -> SnapshotResource:
    is_resource = isinstance(item, dict) and all(isinstance(item.get(key), str) for key in ("id", "type"))
    if not is_resource:
        raise InvalidTemplateError(f"The predicted resource {item!r:.200} has no id or no type.")
    return SnapshotResource(
        id=item["id"],
        type=_GROUP_TYPES[1] if item["type"].lower() == _GROUP_TYPES[0] else item["type"],
        body={key: value for key, value in item.items() if key not in _NOT_SENT},
        condition=item.get("condition", True),
        named=frozenset(name.rstrip("/").lower() for name in _ids(item)),
    )


def _ids(value: Any) -> Iterator[str]:
    """Yield the ids of resources in a JSON value, those in expressions, too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _ids(key)
            yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, str) and is_expression(value):
        for node in _parsed(value):
            yield from _literals(node)
    elif isinstance(value, str) and value.lower().startswith("/subscriptions/"):
        yield value


def _literals(node: Node) -> Iterator[str]:
    match node:
        case Literal():
            if str(node.value).lower().startswith("/subscriptions/"):
                yield str(node.value)
        case Member():
            yield from _literals(node.of)
        case _:
            for argument in node.arguments:
                yield from _literals(argument)


def _parsed(value: Any) -> Iterator[Node]:
    """Yield the expressions of a JSON value that can be parsed. `expression_problems` names the others."""
    if isinstance(value, str):
        try:
            yield from expressions(value)
        except AzureError:
            return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parsed(key)
            yield from _parsed(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parsed(item)


def expression_problems(value: Any) -> Iterator[str]:
    """Yield why an expression in a JSON value cannot be evaluated: its form, or an unknown function."""
    if isinstance(value, str) and is_expression(value):
        try:
            parse_expression(value)
        except AzureError as error:
            yield error.message
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from expression_problems(key)
            yield from expression_problems(item)
    elif isinstance(value, list):
        for item in value:
            yield from expression_problems(item)


def _with_outer(name: str) -> Iterator[str]:
    """Yield an id and the ids of all that contain it, such as its parent and its resource group."""
    parts = name.split("/")
    for end in range(len(parts), 2, -1):
        yield "/".join(parts[:end])
