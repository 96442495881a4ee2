"""The example's output: chapters, sentences, tables, and steps that show how long they take."""

import contextlib
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from examples.message_flow import MessageFlow

Answer = TypeVar("Answer")

_INDENT = 3
_LOOK_EVERY_S = 0.5


class DemoError(Exception):
    """Something that the example waited for did not happen."""


class Screen:
    """Output for people. A running step has a spinner on a terminal. Elsewhere all lines are plain text."""

    def __init__(self, flow: MessageFlow | None = None) -> None:
        """Create the output. If `flow` is given, the lines of the message flow are shown, too."""
        self.console = Console(highlight=False)
        self._flow = flow
        self._chapters = 0

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self.console.print(f"\n[bold]{self._chapters}. {title}[/]")

    def say(self, *sentences: str) -> None:
        """Print a paragraph, wrapped at the width of the terminal."""
        text = Text.from_markup(" ".join(sentences))
        for line in text.wrap(self.console, self.console.width - _INDENT):
            line.rstrip()
            self.console.print(Text(" " * _INDENT) + line if line else "")

    def show(self, table: Table) -> None:
        self.console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))

    def say_command(self, command: str, what_it_shows: str) -> None:
        """Print a command on one line, so that it can be copied. Below the command, print what it shows."""
        self.console.print(f"  [bold]{command}[/]", soft_wrap=True)
        for line in textwrap.wrap(what_it_shows, self.console.width - 6):
            self.console.print(f"      {line}", markup=False)

    def say_address(self, what: str, address: str) -> None:
        """Print what an address shows, and the address whole on one line, so that terminals open it."""
        self.say(f"\n{what}")
        self.console.print(f"  {address}", soft_wrap=True, markup=False, highlight=False)

    def say_how_to_use_it(self) -> None:
        """Print how to use the local cloud that runs now, and how to stop it."""
        self.say_command(
            'eval "$(.venv/bin/tidepool env)"', "connects every Azure SDK of this shell to Tidepool"
        )
        self.say_command("make down", "stops it, and keeps its data")

    def report(
        self,
        kept: Sequence[str],
        broken: Sequence[str],
        seconds: float,
        to_try: Iterable[tuple[str, str]],
    ) -> None:
        """Print which promises were kept, and commands to try next, each with what it shows."""
        self.chapter("What was promised, and what the result was")
        for promise in kept:
            self.say(f"[green]✓[/] {promise}")
        for problem in broken:
            self.say(f"[red]✗[/] {problem}")
        if broken:
            self.say("\n[red]Not every promise was kept.[/] See the log .tidepool/logs/functions.log.")
        else:
            self.say(f"\n[green]Every promise was kept.[/] The demo took {seconds:.0f} s.")
        self.say("The local cloud is still running. Try:\n")
        for command, what_it_shows in to_try:
            self.say_command(command, what_it_shows)
        self.say("\nStop the local cloud with [bold]make down[/].")

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print what is being done. At the end, print how many seconds it took."""
        started, sign, result = time.monotonic(), "[green]✓[/]", ""
        try:
            with self._spinner(what) if self.console.is_terminal else self._plain_line(what):
                yield
        except BaseException:
            sign, result = "[red]✗[/]", "failed after "
            raise
        finally:
            duration = f"{result}{time.monotonic() - started:.1f} s"
            self.console.print(f"   {sign} {what} ({duration})" if self.console.is_terminal else duration)

    def wait(self, ask: Callable[[], Answer | None], patience_s: float, problem: str) -> Answer:
        """Ask every half second until there is an answer. Raise DemoError after `patience_s`."""
        deadline = time.monotonic() + patience_s
        while True:
            self.show_messages()
            if (answer := ask()) is not None:
                return answer
            if time.monotonic() > deadline:
                raise DemoError(f"{problem} within {patience_s:.0f} s")
            time.sleep(_LOOK_EVERY_S)

    def show_messages(self) -> None:
        """Print the message flow since the last call, if it is shown at all."""
        for line in self._flow.new_lines() if self._flow else ():
            self.console.print(f"     [dim]{line}[/]", soft_wrap=True)

    def _spinner(self, what: str) -> Progress:
        # The text comes last: a narrow terminal cuts off its end.
        indent = TextColumn(" " * (_INDENT - 1))
        columns = (indent, SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        progress = Progress(*columns, console=self.console, transient=True)
        progress.add_task(what)
        return progress

    @contextlib.contextmanager
    def _plain_line(self, what: str) -> Iterator[None]:
        """Print the start of a line.

        The duration is added to this line later, or to a later line if messages are shown.
        """
        self.console.print(f"   - {what} ...", end="\n   " if self._flow else " ", soft_wrap=True)
        yield
