"""The example's output: chapters, sentences, tables, and steps that show how long they take."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.digits.message_flow import MessageFlow

Answer = TypeVar("Answer")

_INDENT = 3
_LOOK_EVERY_S = 0.5


class DemoError(Exception):
    """Something that the example waited for did not happen."""


class Screen:
    """Output for people. On a terminal a running step has a spinner; elsewhere each line is plain text."""

    def __init__(self, flow: MessageFlow | None = None) -> None:
        """Show the lines of the message flow, too, if one is given."""
        self.console = Console(highlight=False)
        self._flow = flow
        self._chapters = 0

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self.console.print(f"\n[bold]{self._chapters}. {title}[/]")

    def say(self, *sentences: str) -> None:
        """Print a paragraph, wrapped at the width of the terminal."""
        self._print(" ".join(sentences))

    def show(self, table: Table) -> None:
        self._print(table)

    def say_command(self, command: str, what_it_shows: str) -> None:
        """Print a command in one piece, so that it can be copied, and below it what it shows."""
        self.console.print(f"  [bold]{command}[/]", soft_wrap=True)
        self.console.print(Padding(what_it_shows, (0, 0, 0, 6)))

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say what is being done, for how long, and at its end how many seconds it took."""
        started = time.monotonic()
        with self._spinner(what) if self.console.is_terminal else self._plain(what):
            try:
                yield
            except BaseException:
                self._end(what, started, "[red]✗[/]")
                raise
        self._end(what, started, "[green]✓[/]")

    def wait(self, what: str, ask: Callable[[], Answer | None], patience_s: float) -> Answer:
        """Ask every half second until there is an answer. Raise DemoError after `patience_s`."""
        deadline = time.monotonic() + patience_s
        while True:
            self.show_messages()
            if (answer := ask()) is not None:
                return answer
            if time.monotonic() > deadline:
                raise DemoError(f"{what} did not happen within {patience_s:.0f} s")
            time.sleep(_LOOK_EVERY_S)

    def show_messages(self) -> None:
        """Print the message flow since the last call, if it is shown at all."""
        for line in self._flow.new_lines() if self._flow else ():
            self.console.print(f"     [dim]{line}[/]", soft_wrap=True)

    def _spinner(self, what: str) -> Progress:
        columns = (
            TextColumn(" " * (_INDENT - 1)),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        progress = Progress(*columns, console=self.console, transient=True)
        progress.add_task(what)
        return progress

    @contextlib.contextmanager
    def _plain(self, what: str) -> Iterator[None]:
        self.console.print(f"   … {what}", soft_wrap=True)
        yield

    def _end(self, what: str, started: float, sign: str) -> None:
        self.console.print(f"   {sign} {what} ({time.monotonic() - started:.1f} s)", soft_wrap=True)

    def _print(self, content: str | Table) -> None:
        self.console.print(Padding(content, (0, 0, 0, _INDENT)))


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Hide what the SDK prints while it uploads. Errors are raised, and not hidden."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
