"""The command that shows the members of a model set, and one key over the versions."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.cli.ids import parse_model
from tidegate.cli.models import Model
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table

_SHOWN = 50
_COLOURS = {"candidate": "green", "champion": "green", "kept": "blue", "too_few_rows": "yellow"}


def add_to(app: typer.Typer) -> None:
    example = "tidegate members sales --where store=12 --state failed"
    app.command(epilog=f"Example: {example}\n\n{EXIT_CODES}")(members)


def members(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    where: Annotated[
        list[str] | None,
        typer.Option(help="A key column and its value: `store=12`. May be repeated.", show_default=False),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Only the members with this text in their key.", show_default=False)
    ] = "",
    state: Annotated[
        str, typer.Option(help="Only the members in this state, such as `failed`.", show_default=False)
    ] = "",
    version: Annotated[
        str, typer.Option(help="Version in development. Default: the champion.", show_default=False)
    ] = "",
    history: Annotated[
        bool, typer.Option("--history", help="Show one key in each version. Name it with --where.")
    ] = False,
    all: Annotated[bool, typer.Option("--all", help=f"Show all members, not only {_SHOWN}.")] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the members of a model set: each key with its state, metrics and reason."""
    if history and (state or version or text):
        raise typer.BadParameter("--history shows every version: leave out --state, --version and --text")
    api, conditions = client(url, key), list(where or ())
    name, named_version = parse_model(name, version)
    if history:
        rows = api.get(f"/api/models/{name}/keys", where=conditions)
    else:
        query = {"state": state, "version": named_version, "text": text}
        given = {option: value for option, value in query.items() if value}
        rows = api.get(f"/api/models/{name}/members", where=conditions, **given)
    print_json(rows) if as_json else _show(rows, len(rows) if all else _SHOWN)


def _show(rows: Sequence[dict[str, Any]], most: int) -> None:
    if not rows:
        console.print("No member fits.")
        return
    columns = list(rows[0]["key"])
    table = make_table("version", *columns, "state", "rows>", "mae>", "wape>", "champion's mae>", "reason")
    for row in rows[:most]:
        state = f"[{_COLOURS.get(row['state'], 'red')}]{row['state']}[/]"
        table.add_row(
            row["version"],
            *(escape(row["key"][column]) for column in columns),
            f"{state} ({escape(row['fallback'])})" if row["fallback"] else state,
            "" if row["rows"] is None else str(row["rows"]),
            *(_number(value) for value in (row["metrics"]["mae"], row["metrics"]["wape"])),
            _number(row["champion"]["mae"]),
            escape(row["reason"] or ""),
        )
    console.print(table)
    if len(rows) > most:
        console.print(f"{most} of {len(rows)} members. --all shows all of them, --where some.")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
