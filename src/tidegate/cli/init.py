"""The command that makes a user's own repository, and shows what a later release would change in it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli.options import EXIT_CODES, AsJson, print_json
from tidegate.installation import own_repository
from tidegate.installation.example_texts import EXAMPLES
from tidegate.installation.wheel_source import installed_wheel, wheel_source


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate init our-models\n\n{EXIT_CODES}")(init)


def init(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")] = Path(),
    example: Annotated[
        str, typer.Option(help=f"The example to begin with: {', '.join(EXAMPLES)}.")
    ] = "images",
    wheel: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            help="The wheel that the repository installs. Default: the one that this command comes from.",
            show_default=False,
        ),
    ] = "",
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Show what this release would change in a repository.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="With --upgrade: write the changes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a repository of your own: functions app, configuration, templates, workflows, example and test.

    With --upgrade, show as a diff what this release would change in such a repository. Files that you changed
    are never written.
    """
    if write and not upgrade:
        raise typer.BadParameter("--write is for --upgrade only")
    source = wheel_source(wheel) if wheel else installed_wheel()
    if upgrade:
        changes = own_repository.upgrade(folder, source, write=write)
        if as_json:
            print_json([_change(change, written=write) for change in changes])
            return
        for change in changes:
            typer.echo(change.diff(), nl=False)
        typer.echo("\n".join(own_repository.summary(changes, written=write)), err=True)
        return
    files = own_repository.create(folder, example, source)
    if as_json:
        print_json({"folder": str(folder.resolve()), "files": files})
        return
    typer.echo(
        f"{len(files)} files are in {folder.resolve()}. Its README.md says how to go on: make test, make up."
    )


def _change(change: own_repository.Change, *, written: bool) -> dict[str, Any]:
    return {
        "path": change.path,
        "kept": change.kept,
        "written": written and not change.kept,
        "diff": change.diff(),
    }
