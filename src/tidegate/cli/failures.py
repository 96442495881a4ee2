"""The commands about work that failed permanently: list the work, and try it again."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from tidegate.api_client import ApiClient, ApiError, UnreachableError
from tidegate.cli.ids import without_quotes
from tidegate.cli.options import EXIT_CODES, FAILED, AsJson, By, Key, Url, client, print_json
from tidegate.cli.tables import console, errors, make_table, short_time, shortened
from tidegate.cli.watching import Watch, show_or_watch


def add_to(app: typer.Typer) -> None:
    app.command(epilog=EXIT_CODES)(failures)
    examples = "Examples: tidegate replay 0123456789ab; tidegate replay --all --kind event.rejected"
    app.command(epilog=f"{examples}\n\n{EXIT_CODES}")(replay)


def failures(
    also_ended: Annotated[
        bool, typer.Option("--all", help="Also list those that were replayed, or succeeded since.")
    ] = False,
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List work that failed permanently and waits for a person.

    This includes events that could not be read, and commands that the service stopped trying.
    """
    api, query = client(url, key), {"all": "true"} if also_ended else {}

    def show() -> None:
        listed = api.get("/api/failures", **query)
        print_json(listed) if as_json else _show(listed)

    show_or_watch(show, watch=watch, as_json=as_json)


def replay(  # noqa: PLR0913, PLR0917 - options of a command
    by: By,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As listed by `tidegate failures`.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay all that wait for a person.")] = False,
    kind: Annotated[
        str, typer.Option(help="With --all: only this kind, such as `event.rejected`.", show_default=False)
    ] = "",
    subject: Annotated[
        str,
        typer.Option(
            help="With --all: only those whose subject has this text, such as a feed's name.",
            show_default=False,
        ),
    ] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Try failed work again, after its cause was corrected.

    If one of several failures cannot be replayed, the others are replayed, and the exit code is 1.
    """
    named = [without_quotes(id) for id in ids or []]
    if bool(named) == everything or (not everything and (kind or subject)):
        raise typer.BadParameter("name failures by their ids, or use --all, with --kind and --subject if any")
    api = client(url, key)
    replayed = _replay(api, named or _matching(api, kind, subject), by)
    print_json(replayed) if as_json else _show_replayed(replayed)
    if any(entry["problem"] for entry in replayed):
        raise typer.Exit(FAILED)


def _matching(api: ApiClient, kind: str, subject: str) -> list[str]:
    """Return the ids of the failures that wait for a person, can be replayed, and match."""
    return [
        failure["id"]
        for failure in api.get("/api/failures")
        if failure["replayable"] and kind in ("", failure["kind"]) and subject in failure["subject"]
    ]


def _replay(api: ApiClient, ids: Sequence[str], by: str) -> list[dict[str, Any]]:
    """Replay failures one by one, and return for each what came of it, or the problem."""
    replayed: list[dict[str, Any]] = []
    with Progress(console=errors, disable=len(ids) < 2 or not errors.is_terminal, transient=True) as progress:
        for id in progress.track(ids, description="replaying"):
            entry: dict[str, Any] = {"id": id, "came_of_it": None, "problem": None}
            try:
                entry["came_of_it"] = api.post(f"/api/failures/{id}/replay", {"by": by})["came_of_it"]
            except UnreachableError:
                if not replayed:
                    raise
                entry["problem"] = "the service cannot be reached"
            except ApiError as error:
                entry["problem"] = str(error)
            replayed.append(entry)
    return replayed


def _show_replayed(replayed: Sequence[dict[str, Any]]) -> None:
    for entry in replayed:
        if entry["problem"]:
            errors.print(f"{entry['id']}: {entry['problem']}", style="red", markup=False, soft_wrap=True)
        else:
            text = f"[green]✓[/] {entry['id']} is replayed: {escape(entry['came_of_it'])}"
            console.print(text, soft_wrap=True)
    done = sum(entry["problem"] is None for entry in replayed)
    if len(replayed) != 1:
        console.print(f"{done} of {len(replayed)} replayed.")


def _show(failures: Sequence[dict[str, Any]]) -> None:
    if not failures:
        console.print("No failures wait for a person.")
        return
    table = make_table("id", "when", "what", "why", "replayed")
    for failure in failures:
        ended = failure["replayed_at"] or failure["closed_at"] or ""
        replayed = short_time(ended) if failure["replayable"] else "not possible"
        cells = (short_time(failure["at"]), escape(failure["title"]), escape(shortened(failure["text"])))
        table.add_row(failure["id"], *cells, replayed)
    console.print(table)
