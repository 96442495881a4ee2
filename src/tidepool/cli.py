"""The command line `tidepool`: thin over `cloud.Tidepool`."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

try:
    import httpx  # noqa: F401 - asked for here, so that what is missing is said once
    import typer
except ImportError:  # the service is installed without them
    sys.exit("Tidepool is an extra of its package: pip install -e '.[tidepool]' in a checkout")

from tidepool.cloud import Tidepool
from tidepool.data_folder import DEFAULT, typed
from tidepool.launch import TidepoolError
from tidepool.storage.azurite import AzuriteError

app = typer.Typer(
    help="A local Azure for tests: Azure ML, Event Grid, Functions and Storage under Azure's own host names.",
    no_args_is_help=True,
    add_completion=False,
)
Data = Annotated[
    Path, typer.Option("--data", envvar="TIDEPOOL_DATA", help="Where its state is kept.", file_okay=False)
]


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running and return.")] = False,
    functions: Annotated[
        Path | None, typer.Option("--app", help="The folder of a functions app to run in it.", exists=True)
    ] = None,
    data: Data = DEFAULT,
    seed: Annotated[int, typer.Option(help="The seed of its faults and of its delays.")] = 0,
) -> None:
    """Start Tidepool. Without --detach it runs until Ctrl-C."""
    cloud = Tidepool(data, app=functions, seed=seed)
    if cloud.is_running:
        cloud.attach()
        typer.echo(f"Tidepool is running on {cloud.data_dir} already.")
        return
    cloud.start(detach=detach)
    _say_started(cloud)
    if not detach:
        cloud.wait()


@app.command()
def down(data: Data = DEFAULT) -> None:
    """Stop Tidepool. Its state is kept."""
    cloud = Tidepool(data)
    if cloud.stop():
        typer.echo(f"Stopped. The state is kept ({typed('reset', cloud.data_dir)} deletes it).")
    else:
        typer.echo(f"No Tidepool is running on {cloud.data_dir}.")


@app.command()
def status(data: Data = DEFAULT) -> None:
    """Say what is running, and what it is doing."""
    found = _attached(data).status()
    typer.echo(f"Tidepool (process {found['pid']}) on {found['data']}, time {found['now']:.19}")
    for site in found["sites"]:
        typer.echo(
            f"  functions app {site['name']}: {site['state']}, {site['url']}, "
            f"{len(site['functions'])} functions"
        )
        if site["error"]:
            typer.echo(f"    {site['error']}")
    for line in found["going_on"] or ["nothing is going on"]:
        typer.echo(f"  {line}")
    for entry in found["waiting"]:
        typer.echo(f"  due {entry['due']:.19}: {entry['what']}")


@app.command()
def logs(
    part: Annotated[
        str | None, typer.Argument(help="supervisor, azurite ...; without it: which logs there are.")
    ] = None,
    data: Data = DEFAULT,
) -> None:
    """Print the log of a part."""
    folder = data.resolve() / "logs"
    names = sorted(file.stem for file in folder.glob("*.log"))
    if part is None:
        typer.echo("\n".join(names) or f"there are no logs in {folder}")
    elif part in names:
        typer.echo((folder / f"{part}.log").read_text(errors="replace"), nl=False)
    else:
        raise TidepoolError(f"there is no log of {part!r}; there are: {', '.join(names) or 'none'}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, data: Data = DEFAULT) -> None:
    """Run a command inside Tidepool: tidepool run -- python my_script.py"""
    if not context.args:
        raise TidepoolError("which command? tidepool run -- python my_script.py")
    environ = {**os.environ, **_attached(data).environment()}
    if shutil.which(context.args[0]) is None:
        raise TidepoolError(f"there is no command {context.args[0]!r}")
    raise typer.Exit(subprocess.run(context.args, env=environ, check=False).returncode)


@app.command()
def env(data: Data = DEFAULT) -> None:
    """Print the variables that lead programs into Tidepool: eval "$(tidepool env)"."""
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
    """Errors that a user can mend are one line, without a traceback."""
    try:
        app()
    except (TidepoolError, AzuriteError) as error:
        typer.secho(f"tidepool: {error}", fg="red", err=True)
        sys.exit(1)


def _attached(data: Path) -> Tidepool:
    cloud = Tidepool(data)
    cloud.attach()
    return cloud


def _say_started(cloud: Tidepool) -> None:
    typer.echo(f"Tidepool is up; its state is in {cloud.data_dir}.")
    for site in cloud.status()["sites"]:
        if site["error"]:
            typer.secho(f"Functions app {site['name']} has no functions:\n{site['error']}", fg="red")
        else:
            typer.echo(f"Functions app {site['name']}: {site['url']}, {len(site['functions'])} functions")
    env, down = typed("env", cloud.data_dir), typed("down", cloud.data_dir)
    typer.echo(f'Reach it with:  eval "$({env})"   Stop it with:  {down}')


if __name__ == "__main__":
    main()
