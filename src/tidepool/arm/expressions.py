"""Template expressions, such as `[concat('a', parameters('b'))]`: parse and evaluate them.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from tidepool.arm.template_functions import FUNCTIONS, InvalidTemplateError
from tidepool.errors import AzureError

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]]))"
)
# Functions that need the deployment or a running resource.
CONTEXT_FUNCTIONS = (
    *("parameters", "variables", "subscription", "resourceGroup", "tenant", "environment", "resourceId"),
    *("subscriptionResourceId", "extensionResourceId", "reference", "listKeys", "roleDefinitions"),
    *("newGuid", "utcNow", "if"),
)
_KNOWN = {name.lower() for name in (*FUNCTIONS, *CONTEXT_FUNCTIONS)}


class Scope(Protocol):
    """What an expression can ask of the deployment that it belongs to."""

    async def call(self, function: str, arguments: Sequence[Any]) -> Any:
        """Return the value of one of CONTEXT_FUNCTIONS (all but `if`), given in lower case."""


@dataclass(frozen=True)
class Literal:
    """A text or a number in an expression."""

    value: str | int


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function. `name` is in lower case, because Azure ignores the case."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Member:
    """A member of a value: a property by name, or an item by index."""

    of: "Node"
    key: "Node"


Node = Literal | FunctionCall | Member


def is_expression(text: str) -> bool:
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


@lru_cache(maxsize=4096)  # a template is read several times: for its order, its parameters and its values
def parse_expression(text: str) -> Node:
    """Parse a text in brackets.

    Raise InvalidTemplateError if it is malformed, and AzureError 501 if it calls a function that Tidepool
    does not have.
    """
    parser = _Parser(text)
    node = parser.value()
    parser.end()
    return node


def expressions(value: Any) -> Iterator[Node]:
    """Yield each expression in a JSON value, keys of objects included."""
    if isinstance(value, str) and is_expression(value):
        yield parse_expression(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from expressions(key)
            yield from expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item)


def calls(node: Node) -> Iterator[FunctionCall]:
    """Yield all function calls in an expression, inner ones too."""
    match node:
        case FunctionCall():
            yield node
            for argument in node.arguments:
                yield from calls(argument)
        case Member():
            yield from calls(node.of)
            yield from calls(node.key)


async def evaluate(value: Any, scope: Scope) -> Any:
    """Return a JSON value with all expressions in it replaced by their values."""
    if isinstance(value, str):
        if is_expression(value):
            return await evaluate_node(parse_expression(value), scope)
        return value[1:] if value.startswith("[[") else value
    if isinstance(value, dict):
        return {str(await evaluate(key, scope)): await evaluate(item, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [await evaluate(item, scope) for item in value]
    return value


async def evaluate_node(node: Node, scope: Scope) -> Any:
    """Return the value of one expression. `if` only evaluates the branch that it takes."""
    match node:
        case Literal():
            return node.value
        case Member():
            return _member(await evaluate_node(node.of, scope), await evaluate_node(node.key, scope))
        case FunctionCall("if", (condition, yes, no)):
            return await evaluate_node(yes if await evaluate_node(condition, scope) else no, scope)
    arguments = [await evaluate_node(argument, scope) for argument in node.arguments]
    function = FUNCTIONS.get(node.name)
    return await scope.call(node.name, arguments) if function is None else _apply(node.name, arguments)


def _apply(name: str, arguments: Sequence[Any]) -> Any:
    try:
        return FUNCTIONS[name](*arguments)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise InvalidTemplateError(
            f"The template function '{name}' cannot take the arguments {list(arguments)!r}: {error}"
        ) from error


def _member(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        by_lower = {str(name).lower(): item for name, item in value.items()}
        if str(key).lower() in by_lower:
            return by_lower[str(key).lower()]
        available, owner = ", ".join(value), f" of '{value['id']}'" if value.get("id") else ""
        raise InvalidTemplateError(
            f"The language expression property '{key}'{owner} doesn't exist, available properties are "
            f"'{available}'."
        )
    if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    raise InvalidTemplateError(f"The language expression property '{key}' can't be evaluated.")


class _Parser:
    """A recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read(text[1:-1]))
        self._at = 0

    def value(self) -> Node:
        kind, text = self._next("a value")
        match kind:
            case "text":
                node: Node = Literal(text[1:-1].replace("''", "'"))
            case "number":
                node = Literal(int(text))
            case "name":
                node = self._call(text)
            case _:
                raise self._malformed(f"'{text}' is not expected")
        return self._members(node)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._malformed(f"'{self._tokens[self._at][1]}' is not expected")

    def _call(self, name: str) -> Node:
        self._take("(")
        arguments: list[Node] = []
        if not self._skip(")"):
            arguments.append(self.value())
            while self._skip(","):
                arguments.append(self.value())
            self._take(")")
        if name.lower() not in _KNOWN:
            raise AzureError(
                501,
                "NotEmulated",
                f"Tidepool does not emulate the template function '{name}', in \"{self._text}\". "
                "docs/tidepool.md lists the functions that it has.",
            )
        return FunctionCall(name.lower(), tuple(arguments))

    def _members(self, node: Node) -> Node:
        while True:
            if self._skip("."):
                kind, text = self._next("the name of a property")
                if kind != "name":
                    raise self._malformed(f"'{text}' is not the name of a property")
                node = Member(node, Literal(text))
            elif self._skip("["):
                node = Member(node, self.value())
                self._take("]")
            else:
                return node

    def _read(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._malformed(f"'{text[at:].strip()[0]}' is not expected")
            at = match.end()
            yield match.lastgroup, match[match.lastgroup]

    def _next(self, expected: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._malformed(f"{expected} is missing at the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, mark: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == ("mark", mark)
        self._at += found
        return found

    def _take(self, mark: str) -> None:
        if not self._skip(mark):
            raise self._malformed(f"'{mark}' is missing")

    def _malformed(self, reason: str) -> InvalidTemplateError:
        return InvalidTemplateError(f'The language expression "{self._text}" is not valid: {reason}.')
