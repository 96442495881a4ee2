"""A run as Azure's run history shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class RunSnapshot:
    """A run as Azure's run history shows it, with the runs of its steps.

    `code` is the error's code, followed by its inner codes: `UserError/BadArgument`.
    """

    name: str
    status: str
    code: str = ""
    message: str = ""
    children: tuple["RunSnapshot", ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def walk(self) -> Iterator["RunSnapshot"]:
        """Yield the run and all runs below it."""
        yield self
        for child in self.children:
            yield from child.walk()
