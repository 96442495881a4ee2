"""The command line `tidepool`, which drives a `cloud.Tidepool`."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

try:
    import httpx  # noqa: F401 - imported here, so that a missing extra is reported once
    import typer
except ImportError:  # without the extra `tidepool`, only the service is installed
    sys.exit("Tidepool is not installed. In a checkout, run: pip install -e '.[tidepool]'")

from tidepool.cloud import Tidepool
from tidepool.data_folder import DEFAULT, command_line
from tidepool.launch import TidepoolError
from tidepool.storage.azurite import AzuriteError

app = typer.Typer(
    help="A local Azure for tests: Azure ML, Event Grid, Functions and Storage under Azure's own host names.",
    no_args_is_help=True,
    add_completion=False,
)
Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="TIDEPOOL_DATA", help="The folder for the state of Tidepool.", file_okay=False
    ),
]


class Environments(StrEnum):
    """The Python environments that jobs run in."""

    SHARED = "shared"
    BUILD = "build"


@app.command()
def up(  # noqa: PLR0913, PLR0917  # its options
    detach: Annotated[
        bool, typer.Option("--detach", help="Start Tidepool in the background, and return.")
    ] = False,
    functions: Annotated[
        Path | None,
        typer.Option("--app", help="The folder of a functions app to run in Tidepool.", exists=True),
    ] = None,
    template: Annotated[
        list[Path] | None,
        typer.Option(
            help="A snapshot of a Bicep template, whose resources are made. --app runs after the first one.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            help="A secure parameter of the templates. Without it, notifyUrl is taken from NOTIFY_URL.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    data: Data = DEFAULT,
    seed: Annotated[int, typer.Option(help="The seed that makes faults and delays repeatable.")] = 0,
    logged_models: Annotated[
        bool | None,
        typer.Option(
            help="Answer MLflow 3's logged models, so that its log_model works. Azure ML answers 404.",
            show_default=False,
        ),
    ] = None,
    environments: Annotated[
        Environments,
        typer.Option(help="Run jobs in the Python environment of Tidepool, or build one from conda files."),
    ] = Environments.SHARED,
) -> None:
    """Start Tidepool. Without --detach it runs until Ctrl-C."""
    cloud = Tidepool(
        data,
        app=functions,
        seed=seed,
        environments=environments,
        templates=template or (),
        parameters=_parameters(parameter or ()),
    )
    if cloud.is_running:
        cloud.attach()
        typer.echo(f"Tidepool is already running on {cloud.data_dir}.")
        return
    cloud.start(detach=detach)
    if logged_models is not None:
        cloud.accept_logged_models(logged_models)
    _print_started(cloud)
    if not detach:
        cloud.wait()


@app.command()
def down(data: Data = DEFAULT) -> None:
    """Stop Tidepool. Its state is kept."""
    cloud = Tidepool(data)
    if cloud.stop():
        typer.echo(f"Stopped. The state is kept. To delete it, run: {command_line('reset', cloud.data_dir)}")
    else:
        typer.echo(f"No Tidepool is running on {cloud.data_dir}.")


@app.command()
def status(data: Data = DEFAULT) -> None:
    """Show the functions apps, the work in progress, and what is due later."""
    state = _attached(data).status()
    typer.echo(f"Tidepool on {state['data']}: process {state['pid']}, emulated time {state['now']:.19}")
    azurite = state["azurite"]
    typer.echo(f"  Azurite: {azurite['state']}, started again {azurite['restarts']} times after it died")
    for site in state["sites"]:
        typer.echo(
            f"  functions app {site['name']}: {site['state']}, {site['url']}, "
            f"{len(site['functions'])} functions"
        )
        if site["error"]:
            typer.echo(f"    {site['error']}")
    for line in state["going_on"] or ["no work is in progress"]:
        typer.echo(f"  {line}")
    for entry in state["waiting"]:
        typer.echo(f"  due {entry['due']:.19}: {entry['what']}")


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(help="The log to print, such as supervisor. Without it, list all logs.")
    ] = None,
    data: Data = DEFAULT,
) -> None:
    """Print a log of Tidepool, or list its logs."""
    folder = data.resolve() / "logs"
    names = sorted(file.stem for file in folder.glob("*.log"))
    if name is None:
        typer.echo("\n".join(names) or f"There are no logs in {folder}.")
    elif name in names:
        typer.echo((folder / f"{name}.log").read_text(errors="replace"), nl=False)
    else:
        raise TidepoolError(f"there is no log {name!r}; existing logs: {', '.join(names) or 'none'}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, data: Data = DEFAULT) -> None:
    """Run a command against Tidepool: tidepool run -- python my_script.py"""
    if not context.args:
        raise TidepoolError("no command is given; for example: tidepool run -- python my_script.py")
    environ = {**os.environ, **_attached(data).environment()}
    if shutil.which(context.args[0]) is None:
        raise TidepoolError(f"the command {context.args[0]!r} was not found")
    raise typer.Exit(subprocess.run(context.args, env=environ, check=False).returncode)


@app.command()
def seed(
    target: Annotated[str, typer.Argument(metavar="ACCOUNT/CONTAINER[/PATH]", help="Where the files go.")],
    folder: Annotated[Path, typer.Argument(help="The folder with the files.", exists=True, file_okay=False)],
    data: Data = DEFAULT,
) -> None:
    """Fill a public storage account: tidepool seed azuremlexamples/datasets ./datasets"""
    names = _attached(data).seed(target, folder)
    typer.echo(f"Uploaded {len(names)} files. Everyone can read them at {_blob_url(target)}/")


@app.command()
def env(data: Data = DEFAULT) -> None:
    """Print the variables that direct programs to Tidepool, for eval "$(tidepool env)".

    If there is no Tidepool, print `false`, so that eval fails, and what follows does not reach Azure.
    """
    for name, value in _attached(data).environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def reset(data: Data = DEFAULT) -> None:
    """Stop Tidepool and delete its state."""
    cloud = Tidepool(data)
    cloud.stop()
    deleted = cloud.delete()
    typer.echo(f"Deleted {cloud.data_dir}." if deleted else f"There is no {cloud.data_dir} to delete.")


def main() -> None:
    """Run the command line, and print an error that the user can fix as one line, without a traceback."""
    succeeded = False
    try:
        app()
    except (TidepoolError, AzuriteError) as error:
        typer.secho(f"tidepool: {error}", fg="red", err=True)
        sys.exit(1)
    except SystemExit as end:
        succeeded = not end.code
        raise
    finally:
        if sys.argv[1:2] == ["env"] and not succeeded:
            typer.echo("false")


def _parameters(pairs: Sequence[str]) -> dict[str, str]:
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise TidepoolError(f"--parameter {wrong[0]} has no value; write {wrong[0]}=VALUE")
    names = [pair.partition("=") for pair in pairs]
    return {name: value for name, _, value in names}


def _blob_url(target: str) -> str:
    account, _, path = target.partition("/")
    return f"https://{account}.blob.core.windows.net/{path.rstrip('/')}"


def _attached(data: Path) -> Tidepool:
    cloud = Tidepool(data)
    cloud.attach()
    return cloud


def _print_started(cloud: Tidepool) -> None:
    typer.echo(f"Tidepool is running. Its state is in {cloud.data_dir}.")
    for site in cloud.status()["sites"]:
        if site["error"]:
            typer.secho(
                f"Functions app {site['name']} did not load its functions:\n{site['error']}", fg="red"
            )
        else:
            typer.echo(f"Functions app {site['name']}: {site['url']}, {len(site['functions'])} functions")
    env, down = command_line("env", cloud.data_dir), command_line("down", cloud.data_dir)
    typer.echo(f'To use it in this shell:  eval "$({env})"\nTo stop it:  {down}')


if __name__ == "__main__":
    main()
