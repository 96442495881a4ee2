"""The commands about what failed for good: thin clients of the API, and how they look."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.cli.access import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time


def add_to(app: typer.Typer) -> None:
    for command in (failures, replay):
        app.command(epilog=EXIT_CODES)(command)


def failures(
    also_replayed: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """What failed for good and waits for a person: rejected events, work that was given up."""
    query = {"all": "true"} if also_replayed else {}
    found = client(url, key).get("/api/failures", **query)
    print_json(found) if as_json else _show(found)


def replay(
    failure: Annotated[str, typer.Argument(metavar="ID", help="As `tidegate failures` lists it.")],
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have it tried again, once its reason is mended."""
    found = client(url, key).post(f"/api/failures/{failure}/replay", {})
    if as_json:
        print_json(found)
    else:
        console.print(f"[green]✓[/] {found['id']} is replayed: {escape(found['came_of_it'])}")


def _show(found: Sequence[dict[str, Any]]) -> None:
    if not found:
        console.print("Nothing waits for a person.")
        return
    table = make_table("id", "when", "what", "why", "replayed")
    for one in found:
        replayed = short_time(one["replayed_at"] or "") if one["replayable"] else "cannot be"
        table.add_row(one["id"], short_time(one["at"]), escape(one["title"]), escape(one["text"]), replayed)
    console.print(table)
