"""The commands about work that failed permanently: list the work, and try it again."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time


def add_to(app: typer.Typer) -> None:
    app.command(epilog=EXIT_CODES)(failures)
    app.command(epilog=f"Example: tidegate replay 0123456789ab\n\n{EXIT_CODES}")(replay)


def failures(
    also_replayed: Annotated[bool, typer.Option("--all", help="Also list those that were replayed.")] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List work that failed permanently and waits for a person.

    This includes events that could not be read, and commands that the service stopped trying.
    """
    query = {"all": "true"} if also_replayed else {}
    listed = client(url, key).get("/api/failures", **query)
    print_json(listed) if as_json else _show(listed)


def replay(
    failure: Annotated[str, typer.Argument(metavar="ID", help="As listed by `tidegate failures`.")],
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Try failed work again, after its cause was corrected."""
    replayed = client(url, key).post(f"/api/failures/{failure}/replay", {})
    if as_json:
        print_json(replayed)
    else:
        console.print(f"[green]✓[/] {replayed['id']} is replayed: {escape(replayed['came_of_it'])}")


def _show(failures: Sequence[dict[str, Any]]) -> None:
    if not failures:
        console.print("No failures wait for a person.")
        return
    table = make_table("id", "when", "what", "why", "replayed")
    for failure in failures:
        replayed = short_time(failure["replayed_at"] or "") if failure["replayable"] else "not possible"
        cells = (short_time(failure["at"]), escape(failure["title"]), escape(failure["text"]), replayed)
        table.add_row(failure["id"], *cells)
    console.print(table)
