"""A figure beside the naive way's, measured in the same run, and the target as a ratio or a bound."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """`ours` and `other` share a unit; `measured` is their ratio, the target is about it or about `ours`."""

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
        """Ours over the other; `target` reads `<= 3`, `>= 0.5`, or is empty where none was set."""
        ours, other = figures
        measured = ours / other if other else float("inf")
        return cls(what, unit, ours, other, beside, measured, target, _meets(measured, target))

    @classmethod
    def bound(cls, what: str, unit: str, figures: tuple[float, float], beside: str, target: str) -> "Row":
        """The target bounds our own figure; the other one is there to compare."""
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
    for heading in ("what", "unit", "ours", "other", "other is", "ratio", "target", ""):
        table.add_column(heading, justify="right" if heading in {"ours", "other", "ratio"} else "left")
    for row in rows:
        mark = {True: "met", False: "[red]missed", None: ""}[row.met]
        figures = (f"{row.ours:,.4g}", f"{row.other:,.4g}", row.beside, f"{row.measured:.2f}")
        table.add_row(row.what, row.unit, *figures, row.target, mark)
    console.print(table)
