"""Azure ML's `${{...}}` expressions in jobs and components: finding and filling them. Pure text."""

import re
from collections.abc import Callable, Mapping

_EXPRESSION = re.compile(r"\$\{\{\s*([^\s{}]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


class UnknownReferenceError(Exception):
    """An expression names something that is not there."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"${{{{{reference}}}}} refers to nothing")


def references(text: str) -> list[str]:
    """`parent.inputs.x` and the like, as they stand in the text."""
    return _EXPRESSION.findall(text)


def reference(text: str) -> str | None:
    """What the text refers to, when it is one expression and nothing else."""
    match = _EXPRESSION.fullmatch(text.strip())
    return match[1] if match else None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Every expression replaced by its value; UnknownReferenceError for one without."""
    return _EXPRESSION.sub(_value(values), text)


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """As `fill`; a part in `$[[...]]` is left out when an input in it was not given."""

    def part(match: re.Match[str]) -> str:
        return match[1] if all(name in values for name in references(match[1])) else ""

    return fill(_OPTIONAL.sub(part, text), values)


def fill_known(text: str, values: Mapping[str, str]) -> str:
    """As `fill`, but what has no value stays as it is."""
    return _EXPRESSION.sub(lambda match: values.get(match[1], match[0]), text)


def _value(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    def value(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise UnknownReferenceError(match[1]) from None

    return value
