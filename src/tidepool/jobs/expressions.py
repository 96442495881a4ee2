"""Azure ML's `${{...}}` expressions in jobs and components: finding them and filling them in."""

import re
from collections.abc import Callable, Mapping

_EXPRESSION = re.compile(r"\$\{\{\s*([^\s{}]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


class UnknownReferenceError(Exception):
    """An expression names an input or output that does not exist."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"${{{{{reference}}}}} has no value: there is no such input or output")


def references(text: str) -> list[str]:
    """Return what the expressions in the text name, for example `parent.inputs.x`."""
    return _EXPRESSION.findall(text)


def reference(text: str) -> str | None:
    """Return what the text refers to, if the text is a single expression and nothing else."""
    match = _EXPRESSION.fullmatch(text.strip())
    return match[1] if match else None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each expression by its value. Raise UnknownReferenceError if an expression has no value."""
    return _EXPRESSION.sub(_value(values), text)


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """Fill in a command line as `fill` does.

    A part in `$[[...]]` is left out if an input in it is not given.
    """

    def part(match: re.Match[str]) -> str:
        return match[1] if all(name in values for name in references(match[1])) else ""

    return fill(_OPTIONAL.sub(part, text), values)


def fill_known(text: str, values: Mapping[str, str]) -> str:
    """Replace each expression that has a value, and leave the others as they are."""
    return _EXPRESSION.sub(lambda match: values.get(match[1], match[0]), text)


def _value(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    def value(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise UnknownReferenceError(match[1]) from None

    return value
