"""The commands about models: list and show them, judge, approve, refuse, retrain, and roll back."""

import getpass
from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

import typer

from tidegate.api_client import ApiClient, ApiError
from tidegate.cli import model_tables
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.pauses import show_pauses

Model = Annotated[str, typer.Argument(help="Name of the model.")]
Version = Annotated[str, typer.Argument(help="Version in the development workspace.")]
Reason = Annotated[str, typer.Option(help="Reason, for the ledger and the lineage.")]
By = Annotated[
    str,
    typer.Option(
        help="Your name, for the record.", default_factory=getpass.getuser, show_default="your user name"
    ),
]
JobKey = Annotated[
    str,
    typer.Option(help="A repeated request with the same key starts no second job.", show_default=False),
]
Verdict = Annotated[
    str, typer.Option(help="Id of the verdict. Default: the present verdict.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    examples: dict[Callable[..., None], str] = {
        models: "tidegate models",
        model: "tidegate model digit-classifier 3",
        judge: 'tidegate judge digit-classifier 3 --reason "new holdout"',
        approve: 'tidegate approve digit-classifier 3 --reason "better at night"',
        refuse: 'tidegate refuse digit-classifier 3 --reason "too slow"',
        retrain: 'tidegate retrain digit-classifier --reason "the last training was cancelled by mistake"',
        rollback: 'tidegate rollback digit-classifier --reason "wrong labels"',
    }
    for command, example in examples.items():
        app.command(epilog=f"Example: {example}\n\n{EXIT_CODES}")(command)


def models(url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """List the models with their champions."""
    api = client(url, key)
    summaries = api.get("/api/models")
    if as_json:
        print_json(summaries)
    else:
        model_tables.show_models(summaries)
        show_pauses(api)


def model(
    name: Model,
    version: Annotated[
        str | None, typer.Argument(help="Show this version, with each rule of its verdict.")
    ] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show a model and its history, or one of its versions."""
    api = client(url, key)
    details = api.get(_version_path(name, version) if version else f"/api/models/{name}")
    if as_json:
        print_json(details)
    elif version:
        model_tables.show_version(details)
    else:
        model_tables.show_model(details)


def judge(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    version: Version,
    reason: Reason,
    by: By,
    idempotency_key: JobKey = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Judge a version again, which makes its present verdict void.

    An approval of that verdict becomes void, too.
    """
    path = f"{_version_path(name, version)}/verdicts"
    body = {"by": by, "reason": reason}
    judged = client(url, key).post(path, body, idempotency_key=idempotency_key or str(uuid4()))
    print_json(judged) if as_json else model_tables.show_judging(judged)


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
    """Approve a version, so that it is promoted to production."""
    decision = {"approved": True, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), name, version, decision, as_json=as_json)


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
    """Refuse a version, so that it is not promoted."""
    decision = {"approved": False, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), name, version, decision, as_json=as_json)


def retrain(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    idempotency_key: JobKey = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Train a new version on the newest scored partitions, without waiting for drift or the cool-down.

    The new version is judged when the training has completed.
    """
    body = {"by": by, "reason": reason}
    path = f"/api/models/{name}/retrainings"
    requested = client(url, key).post(path, body, idempotency_key=idempotency_key or str(uuid4()))
    print_json(requested) if as_json else model_tables.show_retraining(requested)


def rollback(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    to: Annotated[
        str,
        typer.Option(help="Version in production. Default: the previous champion.", show_default=False),
    ] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again.

    Its deployment gets all traffic of the endpoint.
    """
    body = {"by": by, "reason": reason, **({"to": to} if to else {})}
    rolled_back = client(url, key).post(f"/api/models/{name}/rollback", body)
    print_json(rolled_back) if as_json else model_tables.show_rollback(rolled_back)


def _decide(api: ApiClient, name: str, version: str, decision: dict[str, Any], *, as_json: bool) -> None:
    path = _version_path(name, version)
    if not decision["verdict"]:
        decision["verdict"] = api.get(path)["verdict_id"]
    if not decision["verdict"]:
        raise ApiError(
            f"{name}:{version} has no verdict yet. Wait until it is judged: tidegate model {name} {version}"
        )
    decided = api.post(f"{path}/approval", decision)
    print_json(decided) if as_json else model_tables.show_decision(decided)


def _version_path(model: str, version: str) -> str:
    return f"/api/models/{model}/versions/{version}"
