"""The command that shows what needs a person now, what runs and what is retried."""

from typing import Any

import typer
from rich.markup import escape

from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time, shortened
from tidegate.cli.watching import Watch, show_or_watch

_COLOURS = {"approvals": "yellow", "late": "yellow", "paused": "yellow", "stuck": "yellow"}


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate status --watch\n\n{EXIT_CODES}")(status)


def status(watch: Watch = False, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show what needs a person now: approvals, what is stuck, failed, late or paused, and dead letters."""
    api = client(url, key)

    def show() -> None:
        current = api.get("/api/status")
        print_json(current) if as_json else _show(current)

    show_or_watch(show, watch=watch, as_json=as_json)


def _show(current: dict[str, Any]) -> None:
    waiting = [f"{count} {need}" for need, count in current["counts"].items() if count]
    console.print(f"[bold]Needs a person now:[/] {', '.join(waiting) or 'nothing'}")
    if current["needs"]:
        table = make_table("kind", "id", "since", "why")
        for item in current["needs"]:
            kind = f"[{_COLOURS.get(item['need'], 'red')}]{item['need']}[/]"
            since = short_time(item["since"] or "")
            table.add_row(kind, escape(item["what"]), since, escape(shortened(item["text"])))
        console.print(table)
    console.print(
        f"{current['jobs']} jobs have not ended, {current['delayed']} pieces of work are retried "
        f"({short_time(current['at'])})"
    )
