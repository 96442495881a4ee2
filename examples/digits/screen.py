"""What the example prints: titles, and steps with the time that they took."""

import contextlib
import io
import time
from collections.abc import Iterator

from rich.console import Console

console = Console(highlight=False, soft_wrap=True, width=max(120, Console().width))


def title(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


class step:  # noqa: N801 - reads as the statement that it is
    """Says what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._started = time.monotonic()
        console.print(f"[bold]·[/] {self._what} ...", end="")

    def __exit__(self, *_: object) -> None:
        console.print(f" {time.monotonic() - self._started:.1f} s")


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what the SDK prints while it uploads."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
