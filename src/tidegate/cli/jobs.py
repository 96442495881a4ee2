"""The commands about Azure ML jobs that the service submitted: list them, and show one."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from tidegate.api_client import ApiClient, ApiError, NotFoundApiError
from tidegate.cli.ids import without_quotes
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Tags, Url, client, print_json
from tidegate.cli.tables import console, make_table, short_time
from tidegate.cli.watching import Watch, show_or_watch

_WORKSPACES = ("development", "production")
_COLOURS = {"completed": "green", "preempted": "yellow", "stuck": "yellow", "cancelled": "dim"}
_LINES = ("kind", "subject", "workspace", "attempt", "cluster", "pipeline", "status", "reason")
_TIMES = ("submitted_at", "started_at", "ended_at")


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate jobs --kind scoring\n\n{EXIT_CODES}")(jobs)
    app.command(epilog=f"Example: tidegate job score-digits-202611-1-g1-a1\n\n{EXIT_CODES}")(job)


def jobs(  # noqa: PLR0913, PLR0917 - options of a command
    also_ended: Annotated[bool, typer.Option("--all", help="Also list the jobs that have ended.")] = False,
    kind: Annotated[
        Literal["scoring", "evaluation", "retraining", "comparison", "registration"] | None,
        typer.Option(help="Only the jobs of this kind.", show_default=False),
    ] = None,
    tag: Tags = None,
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the Azure ML jobs that the service submitted and that have not ended."""
    api = client(url, key)
    query: dict[str, str | list[str]] = {"tag": tag or []}
    query |= {"all": "true"} if also_ended else {}
    query |= {"kind": kind} if kind else {}

    def show() -> None:
        listed = api.get("/api/jobs", **query)
        print_json(listed) if as_json else _show_all(listed)

    show_or_watch(show, watch=watch, as_json=as_json)


def job(
    name: Annotated[str, typer.Argument(metavar="JOB", help="Name of the job, as `tidegate jobs` lists it.")],
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show a job: its cluster, its times, how it ended, and where to find it in Azure ML studio."""
    api, wanted = client(url, key), without_quotes(name)

    def show() -> None:
        details = _find(api, wanted)
        print_json(details) if as_json else _show(details)

    show_or_watch(show, watch=watch, as_json=as_json)


def _find(api: ApiClient, name: str) -> dict[str, Any]:
    """Return the job of this name, from whichever workspace has it."""
    for workspace in _WORKSPACES:
        try:
            details: dict[str, Any] = api.get(f"/api/jobs/{workspace}/{name}")
        except NotFoundApiError:
            continue
        return details
    raise ApiError(f"The service has submitted no job {name!r}. tidegate jobs --all lists all jobs.")


def _show_all(jobs: Sequence[dict[str, Any]]) -> None:
    if not jobs:
        console.print("No job is running. --all shows those that have ended.")
        return
    table = make_table("job", "kind", "attempt>", "cluster", "state", "submitted", "why")
    for job in jobs:
        times = short_time(job["submitted_at"])
        cells = (job["name"], job["kind"], str(job["attempt"]), escape(job["cluster"]), _state(job))
        table.add_row(*cells, times, escape(job["reason"] or ""))
    console.print(table)


def _show(job: dict[str, Any]) -> None:
    console.print(f"[bold]{job['name']}[/]  {_state(job)}")
    for name in _LINES:
        if job[name] not in (None, ""):
            console.print(f"{name}: {escape(str(job[name]))}", soft_wrap=True)
    for name in _TIMES:
        if job[name]:
            console.print(f"{name.removesuffix('_at')}: {short_time(job[name])}")
    for stuck in job["stuck"]:
        console.print(f"[yellow]stuck[/]: limit {stuck['limit']}, run {escape(stuck['run'])}", soft_wrap=True)
    console.print(job["url"], soft_wrap=True, markup=False)


def _state(job: dict[str, Any]) -> str:
    if job["end"]:
        return f"[{_COLOURS.get(job['end'], 'red')}]{job['end']}[/]"
    return f"[yellow]{'stuck' if job['stuck'] else escape(job['status'])}[/]"
