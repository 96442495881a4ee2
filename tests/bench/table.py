"""The tables of results: our figure, the figure that it is compared with, and the target."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A line of a table: two figures in the same unit, and whether the target is met.

    The target is about `measured`, which is the ratio of the figures, or about `ours`. `beside` says what the
    other figure is.
    """

    what: str
    unit: str
    ours: float
    other: float
    beside: str
    measured: float
    target: str
    met: bool | None = None

    @classmethod
    def ratio(cls, what: str, unit: str, figures: tuple[float, float], beside: str, target: str) -> "Row":
        """Return a line whose target is about the ratio: `<= 3`, `>= 0.5`, or empty if there is none."""
        ours, other = figures
        measured = ours / other if other else float("inf")
        return cls(what, unit, ours, other, beside, measured, target, _meets(measured, target))

    @classmethod
    def bound(cls, what: str, unit: str, figures: tuple[float, float], beside: str, target: str) -> "Row":
        """Return a line whose target is about our own figure."""
        ours, other = figures
        return cls(
            what,
            unit,
            ours,
            other,
            beside,
            ours / other if other else float("nan"),
            target,
            _meets(ours, target),
        )


def _meets(value: float, target: str) -> bool | None:
    if not target:
        return None
    sign, bound = target.split()[:2]
    return value <= float(bound) if sign == "<=" else value >= float(bound)


def show(title: str, rows: Iterable[Row], console: Console) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("measured", "unit", "Tidegate", "compared", "compared with", "ratio", "target", ""):
        table.add_column(heading, justify="right" if heading in {"Tidegate", "compared", "ratio"} else "left")
    for row in rows:
        mark = {True: "met", False: "[red]missed", None: ""}[row.met]
        figures = (f"{row.ours:,.4g}", f"{row.other:,.4g}", row.beside, f"{row.measured:.2f}")
        table.add_row(row.what, row.unit, *figures, row.target, mark)
    console.print(table)
