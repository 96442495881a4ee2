"""The command `tidegate check`: a dry run of a feed or a partition, in one screen."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.cli.ids import parse_partition, without_quotes
from tidegate.cli.left_out import left_out_count, left_out_lines, names_line
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.pauses import describe_pause
from tidegate.cli.tables import console, make_table, short_time

_MOST_ROWS = 24
_COLOURS = {"complete": "green", "waiting": "yellow", "changed": "yellow"}


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate check digits 202611\n\n{EXIT_CODES}")(check)


def check(  # noqa: PLR0913, PLR0917 - options of a command
    feed: Annotated[str, typer.Argument(help="The name of the feed.")],
    partition: Annotated[
        str | None, typer.Argument(help="Such as 202611. Default: all partitions.", show_default=False)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Show all partitions, not only the newest {_MOST_ROWS}.")
    ] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the files of a feed, and say what the service would do now. Nothing is changed."""
    words = [without_quotes(feed), *([partition] if partition else [])]
    named = parse_partition(words) if partition or ":" in feed else None
    if named and named.feed:
        checked = client(url, key).get(f"/api/feeds/{named.feed}/partitions/{named.partition}/check")
    else:
        checked = client(url, key).get(f"/api/feeds/{words[0]}/check")
    if as_json:
        print_json(checked)
    elif named and named.feed:
        show_partition(named.feed, checked)
    else:
        show_feed(checked, None if everything else _MOST_ROWS)


def show_feed(checked: dict[str, Any], most_rows: int | None) -> None:
    """Print a line for each partition, newest first, and how many jobs would start."""
    partitions = checked["partitions"]
    table = make_table("partition", "state", "files>", "left out>", "version", "job starts", "why")
    for partition in partitions[:most_rows]:
        left_out = left_out_count(partition["left_out"])
        version, job = partition["version"], partition["job"]
        table.add_row(
            partition["partition"],
            _state(partition),
            str(partition["files"]),
            str(left_out or ""),
            version["name"] if version else "",
            "yes" if job else "no: it cannot" if partition["problem"] else "",
            escape(partition["waits"] or _why(partition)),
        )
    console.print(table)
    if most_rows and len(partitions) > most_rows:
        console.print(f"{most_rows} of {len(partitions)} partitions. --all shows all of them.")
    if checked["outside"]["count"]:
        console.print(names_line("files are in no partition's folder", checked["outside"]), soft_wrap=True)
    _show_pauses(checked)
    for problem in dict.fromkeys(partition["problem"] for partition in partitions if partition["problem"]):
        console.print(f"[red]No job can start:[/] {escape(problem)}", soft_wrap=True)
    console.print(f"{checked['jobs']} jobs would start now. Nothing was changed.")


def show_partition(feed: str, checked: dict[str, Any]) -> None:
    """Print what a check of one partition would find."""
    console.print(f"[bold]{feed} {checked['partition']}[/]  {_state(checked)}")
    for line in _lines(checked):
        console.print(line, soft_wrap=True)
    _show_pauses(checked)
    console.print("Nothing was changed.")


def _show_pauses(checked: dict[str, Any]) -> None:
    for paused in checked["pauses"]:
        console.print(describe_pause(paused), soft_wrap=True)


def _lines(checked: dict[str, Any]) -> Iterator[str]:
    yield f"why: {escape(_why(checked))}"
    if checked["deadline"]:
        yield f"deadline: {short_time(checked['deadline'])}"
    yield f"files: {checked['files']}"
    yield from left_out_lines(checked["left_out"])
    if version := checked["version"]:
        size = f"{version['files']} files, {version['bytes']:,} bytes"
        yield f"version: {version['name']}, {size}, manifest {version['manifest_hash']}"
    if job := checked["job"]:
        yield f"job: {job['name']}, pipeline {job['pipeline']}, model {job['model']}, on {job['compute']}"
    elif checked["problem"]:
        yield f"[red]the job cannot start:[/] {escape(checked['problem'])}"
    else:
        yield f"job: none{', ' + checked['waits'] if checked['waits'] else ''}"


def _why(checked: dict[str, Any]) -> str:
    until = f", until {short_time(checked['until'])}" if checked["until"] else ""
    return f"{checked['why']}{until}"


def _state(checked: dict[str, Any]) -> str:
    return f"[{_COLOURS.get(checked['state'], 'dim')}]{checked['state']}[/]"
