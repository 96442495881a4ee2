"""The commands about models: list and show them, judge, approve, refuse, retrain, and roll back."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

import typer

from tidegate.api_client import ApiClient, ApiError, NotFoundApiError
from tidegate.cli import model_tables
from tidegate.cli.ids import parse_model, without_quotes
from tidegate.cli.options import EXIT_CODES, FAILED, AsJson, By, Key, Tags, Url, Wait, client, print_json
from tidegate.cli.pauses import show_pauses
from tidegate.cli.waiting import Look, wait_for
from tidegate.cli.watching import Watch, show_or_watch

Model = Annotated[str, typer.Argument(help="Name of the model.")]
Version = Annotated[
    str | None,
    typer.Argument(help="Version in the development workspace. NAME:VERSION is possible, too."),
]
Reason = Annotated[str, typer.Option(help="Reason, for the ledger and the lineage.")]
JobKey = Annotated[
    str,
    typer.Option(help="A repeated request with the same key starts no second job.", show_default=False),
]
Verdict = Annotated[
    str, typer.Option(help="Id of the verdict. Default: the present verdict.", show_default=False)
]

_BEFORE_VERDICT = {"registered", "evaluating"}


def add_to(app: typer.Typer) -> None:
    examples: dict[Callable[..., None], str] = {
        models: "tidegate models",
        model: "tidegate model digit-classifier 3",
        judge: 'tidegate judge digit-classifier 3 --reason "new holdout"',
        approve: 'tidegate approve digit-classifier 3 --reason "better at night"',
        refuse: 'tidegate refuse digit-classifier 3 --reason "too slow"',
        external_verdict: 'tidegate external-verdict digit-classifier 3 --passed --detail "contract tests"',
        retrain: 'tidegate retrain digit-classifier --reason "the last training was cancelled by mistake"',
        rollback: 'tidegate rollback digit-classifier --reason "wrong labels"',
    }
    for command, example in examples.items():
        app.command(epilog=f"Example: {example}\n\n{EXIT_CODES}")(command)


def models(
    tag: Tags = None, watch: Watch = False, url: Url = "", key: Key = "", as_json: AsJson = False
) -> None:
    """List the models with their champions."""
    api = client(url, key)

    def show() -> None:
        summaries = api.get("/api/models", tag=tag or [])
        if as_json:
            print_json(summaries)
            return
        model_tables.show_models(summaries)
        show_pauses(api)

    show_or_watch(show, watch=watch, as_json=as_json)


def model(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    version: Annotated[
        str | None, typer.Argument(help="Show this version, with each rule of its verdict.")
    ] = None,
    tag: Tags = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all versions and activities, not only the newest.")
    ] = False,
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show a model and its history, or one of its versions."""
    api = client(url, key)
    model, number = parse_model(name, version)

    def show() -> None:
        path = _version_path(model, number) if number else f"/api/models/{model}"
        details = api.get(path) if number else api.get(path, tag=tag or [])
        if everything and not number:
            details["versions"] = api.get(f"{path}/versions", tag=tag or [])
            details["activities"] = api.get(f"{path}/activities")
        if as_json:
            print_json(details)
        elif number:
            model_tables.show_version(details)
        else:
            model_tables.show_model(details)

    show_or_watch(show, watch=watch, as_json=as_json)


def judge(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    version: Version = None,
    idempotency_key: JobKey = "",
    wait: Wait = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Judge a version again, which makes its present verdict void.

    An approval of that verdict becomes void, too. With --wait the exit code is 1 if it does not pass.
    """
    api, path = client(url, key), _path_of(name, version)
    body = {"by": by, "reason": reason}
    judged = api.post(f"{path}/verdicts", body, idempotency_key=idempotency_key or str(uuid4()))
    if not as_json:
        model_tables.show_judging(judged)
    if wait:
        end = wait_for(f"{judged['model']}:{judged['version']}", lambda: _look_at_verdict(api, path))
        print_json(end.content) if as_json else model_tables.show_version(end.content)
        raise typer.Exit(0 if end.success else FAILED)
    if as_json:
        print_json(judged)


def approve(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    version: Version = None,
    verdict: Verdict = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Approve a version, so that it is promoted to production."""
    decision = {"approved": True, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), _path_of(name, version), decision, as_json=as_json)


def external_verdict(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    by: By,
    detail: Annotated[str, typer.Option(help="What was tested and found.")],
    passed: Annotated[bool, typer.Option("--passed/--failed", help="The verdict.")],
    version: Version = None,
    run: Annotated[str, typer.Option(help="Address of the pipeline's run.", show_default=False)] = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Give the verdict of a CI pipeline on a version, if the gate waits for it."""
    api, path = client(url, key), _path_of(name, version)
    body = {"passed": passed, "detail": detail, "by": by, **({"url": run} if run else {})}
    judged = api.post(f"{path}/verdicts/external", body)
    print_json(judged) if as_json else model_tables.show_version(judged)


def refuse(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    version: Version = None,
    verdict: Verdict = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Refuse a version, so that it is not promoted."""
    decision = {"approved": False, "by": by, "reason": reason, "verdict": verdict}
    _decide(client(url, key), _path_of(name, version), decision, as_json=as_json)


def retrain(  # noqa: PLR0913, PLR0917 - options of a command
    name: Model,
    reason: Reason,
    by: By,
    idempotency_key: JobKey = "",
    wait: Wait = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Train a new version on the newest scored partitions, without waiting for drift or the cool-down.

    The new version is judged when the training has completed.
    """
    api, body = client(url, key), {"by": by, "reason": reason}
    path = f"/api/models/{_name(name)}/retrainings"
    requested = api.post(path, body, idempotency_key=idempotency_key or str(uuid4()))
    if not as_json:
        model_tables.show_retraining(requested)
    if wait:
        end = wait_for(requested["job"], lambda: look_at_job(api, "development", requested["job"]))
        print_json(end.content) if as_json else model_tables.show_job_end(end.content)
        raise typer.Exit(0 if end.success else FAILED)
    if as_json:
        print_json(requested)


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
    rolled_back = client(url, key).post(f"/api/models/{_name(name)}/rollback", body)
    print_json(rolled_back) if as_json else model_tables.show_rollback(rolled_back)


def _decide(api: ApiClient, path: str, decision: dict[str, Any], *, as_json: bool) -> None:
    if not decision["verdict"]:
        current = api.get(path)
        decision["verdict"] = current["verdict_id"]
        if not decision["verdict"]:
            name = f"{current['model']}:{current['version']}"
            raise ApiError(f"{name} has no verdict yet. Wait until it is judged: tidegate model {name}")
    decision["verdict"] = without_quotes(decision["verdict"])
    decided = api.post(f"{path}/approval", decision)
    print_json(decided) if as_json else model_tables.show_decision(decided)


def _look_at_verdict(api: ApiClient, path: str) -> Look:
    version = api.get(path)
    ended = version["state"] not in _BEFORE_VERDICT
    return Look(version, version["state"], ended, success=ended and bool(version["passed"]))


def look_at_job(api: ApiClient, workspace: str, name: str) -> Look:
    """Look at a job, which the API knows as soon as the job is submitted."""
    try:
        job = api.get(f"/api/jobs/{workspace}/{name}")
    except NotFoundApiError:
        return Look(None, "not submitted yet", ended=False)
    return Look(job, job["end"] or job["status"], bool(job["end"]), success=job["end"] == "completed")


def _name(text: str) -> str:
    return parse_model(text)[0]


def _path_of(name: str, version: str | None) -> str:
    """Return the path of a version that a person named as `NAME VERSION` or `NAME:VERSION`."""
    model, number = parse_model(name, version)
    if number is None:
        raise typer.BadParameter(f"name a version, too: {model} VERSION, or {model}:VERSION")
    return _version_path(model, number)


def _version_path(model: str, version: str) -> str:
    return f"/api/models/{model}/versions/{version}"
