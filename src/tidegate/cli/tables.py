"""The two consoles of the command line, its tables, and how it writes times.

Ids and numbers stay whole on one line, so that people can copy, search and pass on what they see. In a pipe
each row is one line. In a narrow terminal a row becomes lines of `heading: value`.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import IO, Any
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tidegate.local_time import local_time

# Columns that people copy, search or compare. They are not wrapped; the other columns are, if necessary.
_WHOLE = {
    "champion",
    "event",
    "feed",
    "id",
    "job",
    "kind",
    "model",
    "partition",
    "previous",
    "result",
    "scoring",
    "since",
    "state",
    "subject",
    "verdict",
    "version",
    "when",
    "workspace",
}
_UNLIMITED = 20_000  # characters of a line in a pipe
_READABLE = 10  # the least width of a column whose text is wrapped
_LONGEST_TEXT = 400  # a verdict's text may have hundreds of lines; --json prints them all


class OutputConsole(Console):
    """A console that is as wide as the terminal, or without limit if the output is a pipe or a file.

    The environment variable COLUMNS sets another width. If the reader of a pipe closes it, the rest of the
    output is dropped, and the command goes on to its end.
    """

    closed = False

    @property
    def options(self) -> ConsoleOptions:
        options = super().options
        if os.environ.get("COLUMNS", "").isdecimal() or _is_terminal(self.file):
            return options
        return options.update(width=_UNLIMITED)

    def on_broken_pipe(self) -> None:
        self.closed = self.quiet = True
        drop_output(self.file)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **{"crop": False, **options})


class WholeIdsTable(Table):
    """A table that shows each row as lines of `heading: value` if its ids do not fit beside each other."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._least_width(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._as_lines(console)

    def _least_width(self, console: Console, options: ConsoleOptions) -> int:
        unlimited = options.update(width=_UNLIMITED, max_width=_UNLIMITED)
        least = 0
        for column in self.columns:
            widths = [
                Measurement.get(console, unlimited, cell).maximum for cell in [column.header, *column.cells]
            ]
            least += max(widths) if column.no_wrap else min(max(widths), _READABLE)
        return least + 2 * (len(self.columns) - 1)

    def _as_lines(self, console: Console) -> Iterator[Text]:
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            for number, (column, cell) in enumerate(zip(self.columns, cells, strict=True)):
                text = console.render_str(str(cell))
                heading = f"{column.header}: " if column.header else ""
                line = Text("  " if number else "", overflow="ignore", no_wrap=column.no_wrap)
                if text.plain or not number:
                    yield line.append(heading, "bold").append_text(text)


console = OutputConsole(highlight=False)
errors = Console(stderr=True, highlight=False)


class _Clock:
    """The time zone in which times are shown: that of tidegate.yml, which the service sends."""

    zone: tzinfo = UTC


def show_times_in(zone: str) -> None:
    """Show times in this time zone. A name that this machine does not know is ignored: UTC is used then."""
    try:
        _Clock.zone = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        _Clock.zone = UTC


def make_table(*headings: str) -> Table:
    """Return an empty table. A heading that ends with `>` marks a column of numbers."""
    table = WholeIdsTable(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        name = heading.removesuffix(">")
        justify: JustifyMethod = "right" if heading.endswith(">") else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in _WHOLE or name != heading)
    return table


def cells(values: dict[str, Any], *names: str) -> list[str]:
    """Return the cells of a row: the values with these names. A value that is missing is an empty cell."""
    return ["" if values.get(name) is None else escape(str(values[name])) for name in names]


def shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def short_time(text: str) -> str:
    """Return a time of the API in the zone of tidegate.yml: `2026-11-05 09:30 +01:00`."""
    return local_time(datetime.fromisoformat(text), _Clock.zone) if text else ""


def drop_output(stream: IO[str]) -> None:
    """Write what is still to be written to nowhere, because the reader of the pipe has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal. Other than for rich, FORCE_COLOR makes no terminal of a pipe."""
    return bool(getattr(stream, "isatty", lambda: False)())
