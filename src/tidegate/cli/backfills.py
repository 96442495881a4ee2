"""The commands about backfills: score a range of partitions again, and follow, pause or cancel that."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape

from tidegate.cli.ids import parse_backfill, without_quotes
from tidegate.cli.options import EXIT_CODES, AsJson, By, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time
from tidegate.cli.watching import Watch, show_or_watch

_Feed = Annotated[str, typer.Argument(help="Name of the feed.")]
_NAMED = 10


def add_to(app: typer.Typer) -> None:
    example = "Example: tidegate backfill digits 202601..202610 --model digit-classifier:3 --max 3"
    app.command(epilog=f"{example}\n\n{EXIT_CODES}")(backfill)
    app.command(epilog=f"Example: tidegate backfills digits\n\n{EXIT_CODES}")(backfills)


def backfill(  # noqa: PLR0913, PLR0917 - options of a command
    feed: _Feed,
    what: Annotated[
        str, typer.Argument(metavar="RANGE|ID", help="`202601..202610`, or the id of a backfill to show.")
    ],
    by: By,
    model: Annotated[
        str,
        typer.Option(
            help="NAME:VERSION. Partitions that it has scored already are skipped. Default: the model of "
            "tidegate.yml, for every partition.",
            show_default=False,
        ),
    ] = "",
    max_live: Annotated[int, typer.Option("--max", help="How many are scored at a time.")] = 3,
    reason: Annotated[
        str, typer.Option(help="Recorded in the ledger and in the tags of the jobs.", show_default=False)
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be scored.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Pause the backfill ID.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the backfill ID.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the backfill ID.")] = False,
    idempotency_key: Annotated[
        str, typer.Option(help="A new key starts an ended backfill once more.", show_default=False)
    ] = "",
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score the partitions of a range again, some at a time, or show or change such a backfill."""
    actions = [name for name, asked in {"pause": pause, "resume": resume, "cancel": cancel}.items() if asked]
    if len(actions) > 1:
        raise typer.BadParameter("name only one of --pause, --resume and --cancel")
    feed, what = parse_backfill(feed, what)
    if watch and (actions or dry_run or "-" not in what):
        raise typer.BadParameter("--watch follows a backfill that was started: give its id")
    api, path = client(url, key), f"/api/feeds/{quote(feed)}/backfills"
    if "-" in what and not actions:
        _follow(lambda: api.get(f"{path}/{quote(what)}"), watch=watch, as_json=as_json)
        return
    if actions:
        shown = api.post(f"{path}/{quote(what)}/{actions[0]}", {"by": by})
    elif dry_run:
        asked = f"range={quote(what)}" + (f"&model={quote(model)}" if model else "")
        shown = api.get(f"{path}/check?{asked}")
    else:
        body = {"range": what, "model": model, "max": max_live, "by": by, "reason": reason}
        given = {name: value for name, value in body.items() if value}
        shown = api.post(path, given, idempotency_key=idempotency_key or None)
    print_json(shown) if as_json else _show(shown)


def _follow(read: Callable[[], dict[str, Any]], *, watch: bool, as_json: bool) -> None:
    def show() -> None:
        print_json(read()) if as_json else _show(read())

    show_or_watch(show, watch=watch, as_json=as_json)


def backfills(feed: _Feed, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """List the backfills of a feed, newest first."""
    listed = client(url, key).get(f"/api/feeds/{quote(without_quotes(feed))}/backfills")
    if as_json:
        print_json(listed)
        return
    if not listed:
        console.print(f"{escape(feed)} has no backfills.")
        return
    table = make_table("id", "state", "model", "done>", "running>", "waiting>", "failed>", "skipped>", "when")
    for each in listed:
        counts = (str(each["counts"][name]) for name in ("done", "running", "waiting", "failed", "skipped"))
        table.add_row(
            each["id"], each["state"], escape(each["model"]), *counts, short_time(each["requested_at"])
        )
    console.print(table)


def _show(shown: dict[str, Any]) -> None:
    if "state" not in shown:
        scored = len(shown["partitions"])
        console.print(
            f"{scored} partitions would be scored by {escape(shown['model'])}. Nothing was changed."
        )
        _show_named("scored", [{"partition": name, "why": ""} for name in shown["partitions"]])
    else:
        counts = ", ".join(f"{count} {name}" for name, count in shown["counts"].items())
        console.print(f"[bold]{shown['id']}[/]  {shown['state']}, {escape(shown['model'])}: {counts}")
        _show_named("failed", shown["failed"])
    _show_named("skipped", shown["skipped"])
    if "state" in shown and not shown["ended_at"]:
        console.print(
            f"  follow it with: tidegate backfill {shown['feed']} {shown['id']} --watch", soft_wrap=True
        )


def _show_named(what: str, partitions: Sequence[dict[str, str]]) -> None:
    for each in partitions[:_NAMED]:
        line = ": ".join(filter(None, (each["partition"], escape(each["why"]))))
        console.print(f"  {what} {line}", soft_wrap=True)
    if more := len(partitions) - min(len(partitions), _NAMED):
        console.print(f"  {more} more {what}")
