"""Tables and lines of the command line: partitions, activities, steps of a deployment, findings of doctor."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from tidegate.cli.left_out import left_out_lines, names_line
from tidegate.installation.checks.check import CheckState
from tidegate.installation.deploy import DeployStep
from tidegate.installation.doctor import Finding

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

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
# Columns that people copy or search are not wrapped; the other columns are wrapped if the terminal is narrow.
_WHOLE = {"feed", "partition", "state", "result", "scoring", "id", "when", "event"}
_LONGEST_TEXT = 400  # a verdict's text may have hundreds of lines; --json prints them all
_SIGNS = {
    CheckState.OK: "[green]✓[/]",
    CheckState.WARN: "[yellow]![/]",
    CheckState.FAIL: "[red]✗[/]",
    CheckState.SKIPPED: "[dim]-[/]",
}


def show_step(step: DeployStep) -> None:
    change = "[green]+ created  [/]" if step.made else "[dim]= unchanged[/]"
    console.print(f"{change}  {step.target}: {escape(step.what)}", soft_wrap=True)


def show_finding(finding: Finding) -> None:
    console.print(f"{_SIGNS[finding.state]} [bold]{finding.check}[/]  {escape(finding.what)}", soft_wrap=True)
    if finding.do:
        console.print(f"    → {escape(finding.do)}", soft_wrap=True)


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
            *_cells(partition, "version", "files"),
            str(partition["left_out"] or ""),
            *_cells(partition, "result"),
            *_cells(outcome, "rows", "errors"),
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
    _say_earlier(partition, "versions")
    for version in partition["versions"]:
        _show_version(version)
    _say_earlier(partition, "activities")
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
    _say_earlier(version, "scorings")
    if version["scorings"]:
        console.print(_scorings(version["scorings"]))
    for scoring in version["scorings"]:
        if scoring["job"]:
            console.print(f"{scoring['name']}: job {scoring['job']}", soft_wrap=True)
        if scoring["error"]:
            console.print(f"{scoring['name']}: [red]{escape(scoring['error'])}[/]")


def _say_earlier(shown: dict[str, Any], what: str) -> None:
    """Say how many are not shown, because the API shows the newest ones with their partition."""
    if earlier := shown[f"{what}_count"] - len(shown[what]):
        console.print(f"{earlier} earlier {what} are not shown")


def show_activities(activities: Sequence[dict[str, Any]]) -> None:
    """Print what happened. A text that only repeats its title is left out."""
    if not activities:
        return
    console.print()
    table = make_table("when", "event", "")
    for activity in activities:
        title, text = escape(activity["title"]), escape(_shortened(activity["text"]))
        cell = title if activity["text"] == activity["title"] else f"{title}\n[dim]{text}[/]"
        table.add_row(short_time(activity["at"]), activity["kind"], cell)
    console.print(table)


def show_rerun(scoring: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {scoring['name']} is requested: {scoring['model']} on {scoring['compute']}")
    console.print(f"  follow it with: tidegate partition {scoring['feed']} {scoring['partition']}")


def _rerun(partition: dict[str, Any]) -> str:
    return f'tidegate rerun {partition["feed"]} {partition["partition"]} --reason "..."'


def _scorings(scorings: Sequence[dict[str, Any]]) -> Table:
    table = make_table("scoring", "state", "model", "rows>", "errors>", "reason")
    for scoring in scorings:
        table.add_row(
            scoring["name"],
            _state(scoring["state"]),
            scoring["model"],
            *_cells(scoring["outcome"] or {}, "rows", "errors"),
            escape(scoring["reason"]),
        )
    return table


def make_table(*headings: str) -> Table:
    """Return an empty table. A heading that ends with `>` marks a column of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        name = heading.removesuffix(">")
        justify: JustifyMethod = "right" if heading.endswith(">") else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in _WHOLE)
    return table


def _cells(values: dict[str, Any], *names: str) -> list[str]:
    return ["" if values.get(name) is None else str(values[name]) for name in names]


def _state(state: str) -> str:
    return f"[{_COLOURS.get(state, 'red')}]{state}[/]"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def short_time(text: str) -> str:
    return text[:16].replace("T", " ")
