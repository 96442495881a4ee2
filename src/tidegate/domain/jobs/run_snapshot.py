"""A run as Azure's run history shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class RunSnapshot:
    """A run as Azure's run history shows it, with the runs of its steps.

    `code` is the error's code, followed by its inner codes: `UserError/BadArgument`. `name` is the display
    name, which is the step's name for a step of a pipeline. `target` is the name of its cluster.
    `last_output` is when a log file was last written, if it was looked up. `nodes` is the number of nodes
    that ran it, and `priority` is `dedicated`, `low_priority` or None. A `reused` step did not run.
    """

    name: str
    status: str
    code: str = ""
    message: str = ""
    children: tuple["RunSnapshot", ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    id: str = ""
    target: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    last_output: datetime | None = None
    nodes: int = 1
    priority: str | None = None
    reused: bool = False

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def walk(self) -> Iterator["RunSnapshot"]:
        """Yield the run and all runs below it."""
        yield self
        for child in self.children:
            yield from child.walk()
