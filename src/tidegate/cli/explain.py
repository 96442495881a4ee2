"""The command that explains what led to something and what came of it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape

from tidegate.cli.ids import without_quotes
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, short_time, shortened

_EXAMPLE = "tidegate explain predictions/digits/202611/202611-1/g1/predictions.csv"


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: {_EXAMPLE}\n\n{EXIT_CODES}")(explain)


def explain(
    subject: Annotated[
        str,
        typer.Argument(
            help="A file of predictions, a partition (digits:202611), its version (digits:202611-1), a "
            "scoring (digits:202611-1-g1), a model (NAME or NAME:VERSION), a job, or the id of an activity, "
            "an event or a request."
        ),
    ],
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Explain what led to something, and what came of it.

    For predictions: which files, code, model, training, verdict, person and event stand behind them.
    """
    explained = client(url, key).get(f"/api/explain/{quote(without_quotes(subject), safe='')}")
    print_json(explained) if as_json else _show(explained)


def _show(explained: dict[str, Any]) -> None:
    titles = {node["id"]: node["title"] for node in explained["nodes"]}
    causes: dict[str, list[str]] = {}
    for edge in explained["edges"]:
        causes.setdefault(edge["target"], []).append(titles[edge["source"]])
    for node in explained["nodes"]:
        mark = "[bold]>[/]" if node["id"] == explained["about"] else " "
        when = short_time(node["at"]) if node["at"] else ""
        console.print(f"{mark} {when:<24} [bold]{escape(node['title'])}[/]", soft_wrap=True)
        for name, value in node["facts"].items():
            text = escape(shortened(str(value)).replace("\n", " "))
            console.print(f"    [dim]{name}[/] {text}", soft_wrap=True)
        for cause in causes.get(node["id"], []):
            console.print(f"    [dim]because of[/] {escape(cause)}", soft_wrap=True)
