"""The commands about pauses: pause and resume a feed, a model or everything, and list what waits."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.api_client import ApiClient
from tidegate.cli.ids import without_quotes
from tidegate.cli.options import EXIT_CODES, AsJson, By, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time

_Feed = Annotated[str | None, typer.Argument(metavar="[FEED]", help="Name of the feed.")]
_Model = Annotated[str, typer.Option("--model", help="Name of a model, instead of a feed.")]
_All = Annotated[bool, typer.Option("--all", help="Everything, instead of a feed.")]


def add_to(app: typer.Typer) -> None:
    pause_example = 'Example: tidegate pause digits --reason "wrong camera"'
    app.command(epilog=f"{pause_example}\n\n{EXIT_CODES}")(pause)
    app.command(epilog=f"Example: tidegate resume --model digit-classifier\n\n{EXIT_CODES}")(resume)
    app.command(epilog=EXIT_CODES)(pauses)


def pause(  # noqa: PLR0913, PLR0917 - options of a command
    by: By,
    reason: Annotated[str, typer.Option(help="Recorded in the ledger and in the notification.")],
    feed: _Feed = None,
    model: _Model = "",
    everything: _All = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Start no new work of a feed, a model or everything.

    Jobs that run are brought to their end. What arrives is kept, and waits until `tidegate resume`.
    """
    body = {"target": _target(feed, model, everything), "by": by, "reason": reason}
    paused = client(url, key).post("/api/pauses", body)
    if as_json:
        print_json(paused)
        return
    _show_pause(paused)
    option = feed or (f"--model {model}" if model else "--all")
    console.print(f"  end it with: tidegate resume {escape(option)}")


def resume(  # noqa: PLR0913, PLR0917 - options of a command
    by: By,
    feed: _Feed = None,
    model: _Model = "",
    everything: _All = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """End a pause. The work that waits is started."""
    body = {"target": _target(feed, model, everything), "by": by}
    resumed = client(url, key).post("/api/pauses/resume", body)
    if as_json:
        print_json(resumed)
    else:
        console.print(f"[green]✓[/] {escape(resumed['target'])} is resumed. Commands sent: {resumed['sent']}")


def pauses(url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """List what is paused, and the work that waits."""
    paused = client(url, key).get("/api/pauses")
    if as_json:
        print_json(paused)
        return
    if not paused:
        console.print("Nothing is paused.")
    for entry in paused:
        _show_pause(entry)
        if entry["waiting"]:
            console.print(_waiting(entry["waiting"]))


def show_pauses(api: ApiClient) -> None:
    """Print one line for each pause, below a list of partitions or models."""
    for paused in api.get("/api/pauses"):
        _show_pause(paused)


def describe_pause(paused: dict[str, Any]) -> str:
    """Return a line that says what is paused, since when, by whom and why."""
    return (
        f"[yellow]![/] {escape(paused['target'])} is paused since {short_time(paused['since'])} by "
        f"{escape(paused['by'])}: {escape(paused['reason'])}."
    )


def _show_pause(paused: dict[str, Any]) -> None:
    console.print(f"{describe_pause(paused)} Commands that wait: {len(paused['waiting'])}", soft_wrap=True)


def _waiting(waiting: Sequence[dict[str, Any]]) -> Any:
    table = make_table("when", "what waits", "command")
    for row in waiting:
        table.add_row(
            short_time(row["since"]), escape(f"{row['kind']} {row['what']}"), escape(row["command"])
        )
    return table


def _target(feed: str | None, model: str, everything: bool) -> str:
    targets = [
        *([f"feed:{without_quotes(feed)}"] if feed else []),
        *([f"model:{without_quotes(model)}"] if model else []),
        *(["all"] if everything else []),
    ]
    if len(targets) != 1:
        raise typer.BadParameter("name exactly one of FEED, --model NAME and --all")
    return targets[0]
