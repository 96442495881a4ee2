"""What `--watch` does: show a command's output again every few seconds, until it is interrupted."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from tidegate.cli.tables import console

_EVERY_S = 2.0

Watch = Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")]


def show_or_watch(show: Callable[[], None], *, watch: bool, as_json: bool = False) -> None:
    """Show something once, or again and again with `watch`.

    In a terminal this uses a screen of its own, and leaves the terminal as it was. In a pipe each output is
    printed below the one before it, without escape codes. Raise BadParameter if JSON is wanted, which is one
    document.
    """
    if not watch:
        show()
        return
    if as_json:
        raise typer.BadParameter("--json prints one document: leave out --watch")
    with _ended_by_signals():
        if console.is_terminal and console.file.isatty():
            _on_a_screen(show)
        else:
            _in_a_pipe(show)


def _on_a_screen(show: Callable[[], None]) -> None:
    with console.screen(hide_cursor=True) as screen:
        while True:
            with console.capture() as captured:
                show()
            screen.update(_first_lines(captured.get()))
            time.sleep(_EVERY_S)


def _in_a_pipe(show: Callable[[], None]) -> None:
    while True:
        show()
        console.print()
        if console.closed:
            return
        time.sleep(_EVERY_S)


def _first_lines(output: str) -> Text:
    """Return as many lines as the terminal has, and how many there are if that is not all of them."""
    lines, height = output.splitlines(), console.size.height
    if len(lines) > height:
        shown = height - 1
        lines = [*lines[:shown], f"{shown} of {len(lines)} lines. Without --watch all of them are shown."]
    return Text("\n").join(Text.from_ansi(line, no_wrap=True, overflow="ellipsis") for line in lines)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End quietly at Ctrl-C and at SIGTERM, after the terminal was given back."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
