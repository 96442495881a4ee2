"""The command line `tidegate`: deploy and doctor use the SDKs, the rest are thin clients of the API."""

import sys
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import uuid4

try:
    import typer
    from rich.console import Console  # noqa: F401 - asked for here, so that what is missing is said once
except ImportError:  # Azure installs the service without them
    sys.exit(
        "The command line needs more than the service. In a checkout of Tidegate: pip install -e '.[cli]'"
    )

from tidegate.api_client import ApiClient, ApiError, UnreachableError
from tidegate.bootstrap import build
from tidegate.cli import failures
from tidegate.cli import models as model_cli
from tidegate.cli import tables as terminal
from tidegate.cli.access import EXIT_CODES, FAILED, UNREACHABLE, AsJson, Key, Url, client, print_json
from tidegate.config.schema import WorkspaceRole
from tidegate.errors import TidegateError, TransientError
from tidegate.installation.checks.findings import State
from tidegate.installation.deploy import ROLES, Deployment
from tidegate.installation.doctor import examine

app = typer.Typer(
    help="Files arrive monthly; predictions come out, reconciled with them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FeedMonth = Annotated[
    list[str],
    typer.Argument(metavar="[FEED] MONTH", help="As in `digits 202611`; a single feed need not be named."),
]


@app.command(epilog=EXIT_CODES)
def deploy(
    workspace: Annotated[
        Literal["development", "production", "all"], typer.Option(help="Which workspace to bring up to date.")
    ] = "all",
    as_json: AsJson = False,
) -> None:
    """Register pipelines, environments and datastores, and make queue, tables and containers.

    Again and again: what is there with the same content stays as it is.
    """
    roles: tuple[WorkspaceRole, ...] = ROLES if workspace == "all" else (workspace,)
    steps = []
    for step in Deployment(build()).run(roles):
        steps.append(step)
        if not as_json:
            terminal.say_step(step)
    made = sum(step.made for step in steps)
    if as_json:
        print_json([vars(step) for step in steps])
    else:
        terminal.console.print(
            f"{made} made, {len(steps) - made} there already." if made else "Nothing to do."
        )


@app.command(epilog=EXIT_CODES)
def doctor(as_json: AsJson = False) -> None:
    """Say what is wrong with the installation, and what to do about it. Changes nothing."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            terminal.say_finding(finding)
    if as_json:
        print_json([vars(finding) for finding in findings])
    if any(finding.state is State.FAIL for finding in findings):
        raise typer.Exit(FAILED)


@app.command(epilog=EXIT_CODES)
def months(
    feed: Annotated[str | None, typer.Argument(help="Only this feed's.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """What arrived, what is running, what came out."""
    api = client(url, key)
    names = [feed] if feed else [one["name"] for one in api.get("/api/feeds")]
    found = [month for name in names for month in api.get(f"/api/feeds/{name}/months")]
    print_json(found) if as_json else terminal.show_months(found)


@app.command(epilog=EXIT_CODES)
def month(place: FeedMonth, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """One month: its versions, their scorings, and what happened."""
    api = client(url, key)
    found = api.get(_month_path(api, place))
    print_json(found) if as_json else terminal.show_month(found)


@app.command(epilog=EXIT_CODES)
def rerun(  # noqa: PLR0913, PLR0917 - options of a command
    place: FeedMonth,
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger and in the job's tags.")],
    version: Annotated[int | None, typer.Option(help="Of the month; without it, the latest.")] = None,
    model_version: Annotated[str | None, typer.Option(help="Without it, as tidegate.yml says.")] = None,
    idempotency_key: Annotated[
        str, typer.Option(help="The same key never starts a second one.", show_default=False)
    ] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score a month again, as a new generation."""
    api = client(url, key)
    asked = {"reason": reason, "version": version, "model_version": model_version}
    body = {name: value for name, value in asked.items() if value is not None}
    path = f"{_month_path(api, place)}/jobs"
    found = api.post(path, body, idempotency_key=idempotency_key or str(uuid4()))
    print_json(found) if as_json else terminal.show_rerun(found)


model_cli.add_to(app)
failures.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Without arguments, those of the process."""
    try:
        app(arguments)
    except (UnreachableError, TransientError) as error:
        _end(error, UNREACHABLE)
    except TidegateError as error:
        _end(error, FAILED)


def _end(error: Exception, code: int) -> None:
    terminal.errors.print(str(error), style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def _month_path(api: ApiClient, place: list[str]) -> str:
    """From `FEED MONTH`, or `MONTH` where there is one feed only."""
    if len(place) > 2:
        raise typer.BadParameter(f"write FEED MONTH, as in `digits 202611` (not {' '.join(place)})")
    feeds = [place[0]] if len(place) == 2 else [one["name"] for one in api.get("/api/feeds")]
    if len(feeds) != 1:
        raise ApiError(f"There are several feeds: name one of {', '.join(feeds)}")
    return f"/api/feeds/{feeds[0]}/months/{place[-1]}"


if __name__ == "__main__":
    main()
