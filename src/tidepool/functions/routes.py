"""Route templates of HTTP triggers: `{name}`, `{id:int}`, `{name?}`, `{*path}`, and their order.

Azure ignores case, keeps an encoded slash inside a segment, and allows several parameters in a segment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "bool": r"(?i:true|false)",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "decimal": r"-?\d+(?:\.\d+)?",
    "double": r"-?\d+(?:\.\d+)?",
    "float": r"-?\d+(?:\.\d+)?",
}
_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}?]+)*)(\?)?\}")


@dataclass(frozen=True)
class RouteTemplate:
    """A parsed template. `rank` sorts literal segments first, then parameters, then `{*path}`."""

    function: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    rank: tuple[int, ...] = field(default=())

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the route parameters, or None if path or method do not match."""
        if self.methods and method not in self.methods:
            return None
        match = self.pattern.fullmatch(path.strip("/"))
        if match is None:
            return None
        return {name: unquote(value) for name, value in match.groupdict().items() if value is not None}


def parse_route(function: str, template: str, methods: frozenset[str]) -> RouteTemplate:
    """Parse a route template. Raise ValueError if Tidepool does not know one of its constraints."""
    segments = [segment for segment in template.strip("/").split("/") if segment]
    expression = "".join(_segment(segment, first=number == 0) for number, segment in enumerate(segments))
    return RouteTemplate(
        function, methods, re.compile(expression), tuple(_rank(segment) for segment in segments)
    )


def _segment(segment: str, *, first: bool) -> str:
    slash = "" if first else "/"
    whole = _PARAMETER.fullmatch(segment)
    if whole and whole[1]:
        return f"(?:{slash}(?P<{whole[2]}>.*))?"
    if whole and whole[4]:
        return f"(?:{slash}{_group(whole)})?"
    return slash + _mixed(segment)


def _mixed(segment: str) -> str:
    expression, end = "", 0
    for match in _PARAMETER.finditer(segment):
        expression += _literal(segment[end : match.start()]) + _group(match)
        end = match.end()
    return expression + _literal(segment[end:])


def _literal(text: str) -> str:
    return f"(?i:{re.escape(text)})" if text else ""


def _group(match: re.Match[str]) -> str:
    constraints = [part for part in match[3].split(":") if part]
    if unknown := [part for part in constraints if part not in _CONSTRAINTS]:
        raise ValueError(
            f"Tidepool does not know the route constraint {unknown[0]!r} of {match[0]!r}; "
            f"it knows {', '.join(_CONSTRAINTS)}"
        )
    expression = _CONSTRAINTS[constraints[0]] if constraints else "[^/]+"
    return f"(?P<{match[2]}>{expression})"


def _rank(segment: str) -> int:
    match = _PARAMETER.search(segment)
    if match is None:
        return 0
    if match[1]:
        return 3
    return 1 if match[3] else 2
