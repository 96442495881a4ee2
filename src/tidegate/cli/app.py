"""The command line `tidegate`: deploy and doctor use Azure's SDKs, the others the service's API."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

try:
    import typer
    from rich.console import Console  # noqa: F401 - imported here, so that one message names what is missing
except ImportError:  # Azure installs the service without these packages
    sys.exit(
        "The command line needs packages that the service does not. "
        "Install them in a checkout of Tidegate: pip install -e '.[cli]', or with its wheel: "
        "pip install 'tidegate-VERSION.whl[cli]'"
    )

from tidegate.api_client import ApiClient, ApiError, UnreachableError
from tidegate.bootstrap import build
from tidegate.cli import check, failures, init, members, models, pauses, tables
from tidegate.cli.left_out import names_line
from tidegate.cli.options import EXIT_CODES, FAILED, UNREACHABLE, AsJson, Key, Url, client, print_json
from tidegate.config.types import WorkspaceRole
from tidegate.errors import TidegateError, TransientError
from tidegate.installation.checks.check import CheckState
from tidegate.installation.deploy import ROLES, Deployment
from tidegate.installation.doctor import examine
from tidegate.installation.script_pipelines import write_serving_code
from tidegate.log import quiet_uploads

app = typer.Typer(
    help="Install the service, look at partitions and models, and act on them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FeedPartition = Annotated[
    list[str],
    typer.Argument(
        metavar="[FEED] PARTITION",
        help="Such as `digits 202611`. The feed may be left out if there is only one.",
    ),
]


@app.command(epilog=f"Example: tidegate deploy --workspace production\n\n{EXIT_CODES}")
def deploy(
    workspace: Annotated[
        Literal["development", "production", "all"], typer.Option(help="The workspace to deploy to.")
    ] = "all",
    as_json: AsJson = False,
) -> None:
    """Create and register in Azure what the service needs.

    These are queues, tables, containers, pipelines, environments and datastores. You can run the command
    again at any time: resources that exist with the same content are kept.
    """
    roles: tuple[WorkspaceRole, ...] = ROLES if workspace == "all" else (workspace,)
    steps = []
    with quiet_uploads():
        for step in Deployment(build()).run(roles):
            steps.append(step)
            if not as_json:
                tables.show_step(step)
    made = sum(step.made for step in steps)
    if as_json:
        print_json([vars(step) for step in steps])
    elif made:
        tables.console.print(f"{made} created or changed, {len(steps) - made} unchanged.")
    else:
        tables.console.print("Everything is up to date.")


@app.command(epilog=EXIT_CODES)
def doctor(as_json: AsJson = False) -> None:
    """Check the installation, and say how to correct each problem.

    Nothing is changed. The roles of the identity that runs doctor are checked: to check the function app's
    identity, run doctor as that identity.
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            tables.show_finding(finding)
    if as_json:
        print_json([vars(finding) for finding in findings])
    if any(finding.state is CheckState.FAIL for finding in findings):
        raise typer.Exit(FAILED)


@app.command(epilog=f"Example: tidegate serving-code digits code\n\n{EXIT_CODES}")
def serving_code(
    feed: Annotated[str, typer.Argument(help="A feed with score.script.")],
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
) -> None:
    """Write the code with which an online deployment serves a feed's script: serve_script.py starts it."""
    write_serving_code(build(), feed, folder)
    tables.console.print(f"The scoring script in {folder} is serve_script.py.")


@app.command(epilog=f"Example: tidegate partitions digits\n\n{EXIT_CODES}")
def partitions(
    feed: Annotated[str | None, typer.Argument(help="Show only the partitions of this feed.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the partitions, each with its state and its result."""
    api = client(url, key)
    names = [feed] if feed else _feed_names(api)
    summaries = [partition for name in names for partition in api.get(f"/api/feeds/{name}/partitions")]
    if as_json:
        print_json(summaries)
    else:
        tables.show_partitions(summaries)
        for one in (one for one in api.get("/api/feeds") if one["name"] in names and one["outside"]["count"]):
            line = names_line("files are in no partition's folder", one["outside"])
            tables.console.print(f"{one['name']}: {line}", soft_wrap=True)
        pauses.show_pauses(api)


@app.command(epilog=f"Example: tidegate partition digits 202611\n\n{EXIT_CODES}")
def partition(feed_partition: FeedPartition, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show a partition: its versions, their scorings, what happened."""
    api = client(url, key)
    details = api.get(_partition_path(api, feed_partition))
    print_json(details) if as_json else tables.show_partition(details)


@app.command(epilog=f'Example: tidegate rerun digits 202611 --reason "new labels"\n\n{EXIT_CODES}')
def rerun(  # noqa: PLR0913, PLR0917 - options of a command
    feed_partition: FeedPartition,
    reason: Annotated[str, typer.Option(help="Recorded in the ledger and in the tags of the job.")],
    version: Annotated[
        int | None, typer.Option(help="Version of the partition. Default: the latest.", show_default=False)
    ] = None,
    model_version: Annotated[
        str | None,
        typer.Option(help="Version of the model. Default: as tidegate.yml says.", show_default=False),
    ] = None,
    idempotency_key: Annotated[
        str,
        typer.Option(
            help="A repeated request with the same key starts no second run. A key is required if the "
            "version is being scored.",
            show_default=False,
        ),
    ] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score a partition again, as a new generation."""
    api = client(url, key)
    request = {"reason": reason, "version": version, "model_version": model_version}
    body = {name: value for name, value in request.items() if value is not None}
    path = f"{_partition_path(api, feed_partition)}/jobs"
    scoring = api.post(path, body, idempotency_key=idempotency_key or None)
    print_json(scoring) if as_json else tables.show_rerun(scoring)


check.add_to(app)
init.add_to(app)
models.add_to(app)
members.add_to(app)
failures.add_to(app)
pauses.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Without `arguments`, use the arguments of the process."""
    gc.set_threshold(50_000, 20, 20)  # fewer collections while Azure's SDKs are imported
    try:
        app(arguments)
    except (UnreachableError, TransientError) as error:
        _end(error, UNREACHABLE)
    except TidegateError as error:
        _end(error, FAILED)


def _end(error: Exception, code: int) -> None:
    tables.errors.print(str(error), style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def _feed_names(api: ApiClient) -> list[str]:
    return [feed["name"] for feed in api.get("/api/feeds")]


def _partition_path(api: ApiClient, feed_partition: list[str]) -> str:
    """Return the path of `FEED PARTITION`, or of `PARTITION` if there is only one feed."""
    if len(feed_partition) > 2:
        raise typer.BadParameter(
            f"write FEED PARTITION, such as `digits 202611`, not {' '.join(feed_partition)}"
        )
    feeds = [feed_partition[0]] if len(feed_partition) == 2 else _feed_names(api)
    if len(feeds) != 1:
        raise ApiError(f"There are several feeds. Name one of {', '.join(feeds)} before the partition.")
    return f"/api/feeds/{feeds[0]}/partitions/{feed_partition[-1]}"


if __name__ == "__main__":
    main()
