"""Lines of the command line about files that are left out."""

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

_REASONS = {
    "not_matching": "files do not match `only`",
    "not_listed": "files are not in the list",
    "missing": "listed names have no file",
}


def left_out_lines(left_out: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each reason that has files."""
    for kind, text in _REASONS.items():
        if left_out[kind]["count"]:
            yield f"left out: {names_line(text, left_out[kind])}"


def left_out_count(left_out: dict[str, Any]) -> int:
    """Return the number of files and listed names, over all reasons."""
    return sum(left_out[kind]["count"] for kind in _REASONS)


def names_line(text: str, names: dict[str, Any]) -> str:
    """Return the number of files with the names of the first ones."""
    more = " ..." if names["count"] > len(names["names"]) else ""
    return f"{names['count']} {text}: {escape(', '.join(names['names']))}{more}"
