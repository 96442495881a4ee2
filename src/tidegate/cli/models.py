"""The commands about models: thin clients of the API. A person's word is given here, and decided on there."""

import getpass
from typing import Annotated, Any
from uuid import uuid4

import typer

from tidegate.api_client import ApiClient, ApiError
from tidegate.cli import model_tables as model_terminal
from tidegate.cli.access import EXIT_CODES, AsJson, Key, Url, client, print_json

Model = Annotated[str, typer.Argument(help="The model's name.")]
Version = Annotated[str, typer.Argument(help="Its version in the development workspace.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger and in the lineage.")]
By = Annotated[str, typer.Option(help="Who says so.", default_factory=getpass.getuser, show_default="you")]
Verdict = Annotated[
    str, typer.Option(help="The verdict that is decided on; without it, the one that stands.")
]


def add_to(app: typer.Typer) -> None:
    for command in (models, model, judge, approve, refuse, rollback):
        app.command(epilog=EXIT_CODES)(command)


def models(url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Who is champion, and what is on its way."""
    found = client(url, key).get("/api/models")
    print_json(found) if as_json else model_terminal.show_models(found)


def model(
    name: Model,
    version: Annotated[str | None, typer.Argument(help="With it: the verdict, rule by rule.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """One model and what happened to it, or one of its versions."""
    api = client(url, key)
    found = api.get(_version_path(name, version) if version else f"/api/models/{name}")
    if as_json:
        print_json(found)
    elif version:
        model_terminal.show_version(found)
    else:
        model_terminal.show_model(found)


def judge(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    version: Version,
    reason: Reason,
    by: By,
    idempotency_key: Annotated[
        str, typer.Option(help="The same key never has it judged twice.", show_default=False)
    ] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have a version judged again; its verdict, and what was decided on it, is void."""
    path = f"{_version_path(name, version)}/verdicts"
    body = {"by": by, "reason": reason}
    found = client(url, key).post(path, body, idempotency_key=idempotency_key or str(uuid4()))
    print_json(found) if as_json else model_terminal.show_judging(found)


def approve(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    version: Version,
    reason: Reason,
    by: By,
    verdict: Verdict = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Let a version that passed the gate go to production."""
    decision = {"approved": True, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), (name, version), decision, as_json=as_json)


def refuse(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    version: Version,
    reason: Reason,
    by: By,
    verdict: Verdict = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Keep a version that passed the gate out of production."""
    decision = {"approved": False, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), (name, version), decision, as_json=as_json)


def rollback(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    to: Annotated[str, typer.Option(help="The production version; without it, the previous champion.")] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again, its endpoint included."""
    body = {"by": by, "reason": reason, **({"to": to} if to else {})}
    found = client(url, key).post(f"/api/models/{name}/rollback", body)
    print_json(found) if as_json else model_terminal.show_rollback(found)


def _decide(api: ApiClient, place: tuple[str, str], decision: dict[str, Any], *, as_json: bool) -> None:
    path = _version_path(*place)
    if not decision["verdict"]:
        decision["verdict"] = api.get(path)["verdict_id"]
    if not decision["verdict"]:
        raise ApiError(f"{place[0]}:{place[1]} has no verdict yet: there is nothing to decide on")
    found = api.post(f"{path}/approval", decision)
    print_json(found) if as_json else model_terminal.show_decision(found)


def _version_path(model: str, version: str) -> str:
    return f"/api/models/{model}/versions/{version}"
