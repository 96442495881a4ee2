"""Tables and lines of the command line about partitions, and about what happened to them."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from tidegate.cli.left_out import left_out_lines, names_line
from tidegate.cli.tables import cells, console, make_table, short_time, shortened

_COLOURS = {
    "scored": "green",
    "arriving": "blue",
    "complete": "blue",
    "claimed": "yellow",
    "submitted": "yellow",
    "job_completed": "yellow",
    "superseded": "dim",
    "not_scored": "dim",
}


def show_partitions(partitions: Sequence[dict[str, Any]]) -> None:
    if not partitions:
        console.print("No partition has arrived yet.")
        return
    table = make_table(
        "feed", "partition", "state", "version", "files>", "left out>", "result", "rows>", "errors>"
    )
    for partition in partitions:
        outcome = partition["outcome"] or {}
        table.add_row(
            partition["feed"],
            partition["partition"],
            _state(partition["state"]),
            *cells(partition, "version", "files"),
            str(partition["left_out"] or ""),
            *cells(partition, "result"),
            *cells(outcome, "rows", "errors"),
        )
    console.print(table)


def show_partition(partition: dict[str, Any]) -> None:
    console.print(f"[bold]{partition['feed']} {partition['partition']}[/]  {_state(partition['state'])}")
    console.print(f"current result: {partition['result'] or 'none yet'}")
    if partition["state"] == "not_scored":
        console.print(
            f"not scored: before the feed was installed. To score it: {_rerun(partition)}", soft_wrap=True
        )
    if csv := (partition["outcome"] or {}).get("csv"):
        console.print(csv, soft_wrap=True)
    if partition["check_due"]:
        console.print(f"next check: {short_time(partition['check_due'])}")
    latest = partition["versions"][-1]["left_out"] if partition["versions"] else None
    if partition["left_out_files"] != latest:
        for line in left_out_lines(partition["left_out_files"]):
            console.print(f"now {line}", soft_wrap=True)
    say_earlier(partition, "versions")
    for version in partition["versions"]:
        _show_version(version)
    say_earlier(partition, "activities")
    show_activities(partition["activities"])


def _show_version(version: dict[str, Any]) -> None:
    console.print(
        f"\n[bold]{version['name']}[/]  {version['files']} files, {version['bytes']:,} bytes, "
        f"{short_time(version['snapshot_at'])}: {escape(version['reason'])}"
    )
    for line in left_out_lines(version["left_out"]):
        console.print(line, soft_wrap=True)
    if version["unusable"]["count"]:
        text = "files cannot be read by a job, and become rows with an error"
        console.print(names_line(text, version["unusable"]), soft_wrap=True)
    if version["profile"]:
        console.print(f"profile: {version['profile']}", soft_wrap=True)
    say_earlier(version, "scorings")
    if version["scorings"]:
        console.print(_scorings(version["scorings"]))
    for scoring in version["scorings"]:
        if scoring["job"]:
            console.print(f"{scoring['name']}: job {scoring['job']}", soft_wrap=True)
        if scoring["error"]:
            console.print(f"{scoring['name']}: [red]{escape(scoring['error'])}[/]")


def say_earlier(shown: dict[str, Any], what: str) -> None:
    """Say how many are shown, because the API shows the newest ones with their partition."""
    number, count = len(shown[what]), shown[f"{what}_count"]
    if number < count:
        console.print(f"\n{number} of {count} {what}. --all shows all of them.")


def show_activities(activities: Sequence[dict[str, Any]]) -> None:
    """Print what happened. A text that only repeats its title is left out."""
    if not activities:
        return
    console.print()
    table = make_table("when", "event", "")
    for activity in activities:
        title, text = escape(activity["title"]), escape(shortened(activity["text"]))
        cell = title if activity["text"] == activity["title"] else f"{title}\n[dim]{text}[/]"
        table.add_row(short_time(activity["at"]), activity["kind"], cell)
    console.print(table)


def show_rerun(scoring: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {scoring['name']} is requested: {scoring['model']} on {scoring['compute']}")
    console.print(f"  follow it with: tidegate partition {scoring['feed']} {scoring['partition']}")


def show_scoring_end(scoring: dict[str, Any]) -> None:
    """Print how a scoring ended that the command has waited for."""
    reason = f": {escape(scoring['error'])}" if scoring["error"] else ""
    console.print(f"{scoring['name']} is {_state(scoring['state'])}{reason}", soft_wrap=True)


def _rerun(partition: dict[str, Any]) -> str:
    return f'tidegate rerun {partition["feed"]} {partition["partition"]} --reason "..."'


def _scorings(scorings: Sequence[dict[str, Any]]) -> Table:
    table = make_table("scoring", "state", "model", "rows>", "errors>", "reason")
    for scoring in scorings:
        table.add_row(
            scoring["name"],
            _state(scoring["state"]),
            scoring["model"],
            *cells(scoring["outcome"] or {}, "rows", "errors"),
            escape(scoring["reason"]),
        )
    return table


def _state(state: str) -> str:
    return f"[{_COLOURS.get(state, 'red')}]{state}[/]"
