"""The commands about partitions: list them, show one, and score one again."""

from typing import Annotated, Any

import typer

from tidegate.api_client import ApiClient, ApiError
from tidegate.cli import partition_tables, pauses, tables
from tidegate.cli.ids import PartitionName, parse_partition, without_quotes
from tidegate.cli.left_out import names_line
from tidegate.cli.options import EXIT_CODES, FAILED, AsJson, By, Key, Tags, Url, Wait, client, print_json
from tidegate.cli.waiting import Look, wait_for
from tidegate.cli.watching import Watch, show_or_watch

_LIVE = {"claimed", "submitted", "job_completed"}

FeedPartition = Annotated[
    list[str],
    typer.Argument(
        metavar="[FEED] PARTITION",
        help="Such as `digits 202611`, or any id of a version, scoring or scoring job in it. The feed may be "
        "left out if there is only one.",
    ),
]


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate partitions digits\n\n{EXIT_CODES}")(partitions)
    app.command(epilog=f"Example: tidegate partition digits 202611\n\n{EXIT_CODES}")(partition)
    app.command(epilog=f'Example: tidegate rerun digits 202611 --reason "new labels"\n\n{EXIT_CODES}')(rerun)


def partitions(  # noqa: PLR0913, PLR0917 - options of a command
    feed: Annotated[str | None, typer.Argument(help="Show only the partitions of this feed.")] = None,
    tag: Tags = None,
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the partitions, each with its state and its result. Tags are those of their Data assets."""
    api = client(url, key)

    def show() -> None:
        names = [without_quotes(feed)] if feed else _feed_names(api)
        paths = [f"/api/feeds/{name}/partitions" for name in names]
        summaries = [partition for path in paths for partition in api.get(path, tag=tag or [])]
        print_json(summaries) if as_json else _show(api, names, summaries)

    show_or_watch(show, watch=watch, as_json=as_json)


def partition(  # noqa: PLR0913, PLR0917 - options of a command
    feed_partition: FeedPartition,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all versions, scorings and activities, not only the newest.")
    ] = False,
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show a partition: its versions, their scorings, what happened."""
    api = client(url, key)
    path = _path(api, _named(feed_partition))

    def show() -> None:
        details = api.get(path)
        if everything:
            details |= _everything(api, path)
        print_json(details) if as_json else partition_tables.show_partition(details)

    show_or_watch(show, watch=watch, as_json=as_json)


def rerun(  # noqa: PLR0913, PLR0917 - options of a command
    feed_partition: FeedPartition,
    reason: Annotated[str, typer.Option(help="Recorded in the ledger and in the tags of the job.")],
    by: By,
    version: Annotated[
        int | None,
        typer.Option(
            help="Version of the partition. Default: that of the id, or the latest.", show_default=False
        ),
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
    wait: Wait = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score a partition again, as a new generation."""
    api, named = client(url, key), _named(feed_partition)
    request = {
        "by": by,
        "reason": reason,
        "version": version or named.version,
        "model_version": model_version,
    }
    body = {name: value for name, value in request.items() if value is not None}
    scoring = api.post(f"{_path(api, named)}/jobs", body, idempotency_key=idempotency_key or None)
    if not as_json:
        partition_tables.show_rerun(scoring)
    if wait:
        end = wait_for(scoring["name"], lambda: _look(api, scoring["url"]))
        print_json(end.content) if as_json else partition_tables.show_scoring_end(end.content)
        raise typer.Exit(0 if end.success else FAILED)
    if as_json:
        print_json(scoring)


def _show(api: ApiClient, names: list[str], summaries: list[dict[str, Any]]) -> None:
    partition_tables.show_partitions(summaries)
    for feed in api.get("/api/feeds"):
        if feed["name"] in names and feed["outside"]["count"]:
            line = names_line("files are in no partition's folder", feed["outside"])
            tables.console.print(f"{feed['name']}: {line}", soft_wrap=True)
    pauses.show_pauses(api)


def _everything(api: ApiClient, path: str) -> dict[str, Any]:
    """Return all versions with all their scorings, and all activities of a partition."""
    versions, scorings = api.get(f"{path}/versions"), api.get(f"{path}/jobs")
    for version in versions:
        version["scorings"] = [scoring for scoring in scorings if scoring["version"] == version["number"]]
    return {"versions": versions, "activities": api.get(f"{path}/activities")}


def _look(api: ApiClient, path: str) -> Look:
    scoring = api.get(path)
    state = scoring["state"]
    return Look(scoring, state, ended=state not in _LIVE, success=state == "scored")


def _feed_names(api: ApiClient) -> list[str]:
    return [feed["name"] for feed in api.get("/api/feeds")]


def _named(words: list[str]) -> PartitionName:
    try:
        return parse_partition(words)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _path(api: ApiClient, named: PartitionName) -> str:
    """Return the path of a partition. If its feed is not named, it is that of the only feed."""
    feeds = [named.feed] if named.feed else _feed_names(api)
    if len(feeds) != 1:
        raise ApiError(f"There are several feeds. Name one of {', '.join(feeds)} before the partition.")
    return f"/api/feeds/{feeds[0]}/partitions/{named.partition}"
