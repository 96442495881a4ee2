"""The commands that use Azure's SDKs themselves: deploy, doctor, package, and the code of a deployment.

They import the service when they are called, because that takes a second. The other commands need none of it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from tidegate.cli.options import EXIT_CODES, FAILED, UNREACHABLE, AsJson, print_json
from tidegate.cli.tables import console

if TYPE_CHECKING:
    from tidegate.config.types import WorkspaceRole
    from tidegate.installation.deploy import DeployStep
    from tidegate.installation.doctor import Finding

_SIGNS = {
    "ok": "[green]✓[/]",
    "warn": "[yellow]![/]",
    "fail": "[red]✗[/]",
    "skipped": "[dim]-[/]",
}


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate deploy --workspace production\n\n{EXIT_CODES}")(deploy)
    app.command(epilog=EXIT_CODES)(doctor)
    app.command(epilog=f"Example: tidegate serving-code digits code\n\n{EXIT_CODES}")(serving_code)
    app.command(epilog=f"Example: tidegate package digit-classifier:3 served\n\n{EXIT_CODES}")(package)


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
    from tidegate.bootstrap import build
    from tidegate.installation.deploy import ROLES, Deployment
    from tidegate.log import quiet_uploads

    roles: tuple[WorkspaceRole, ...] = ROLES if workspace == "all" else (workspace,)
    steps = []
    with quiet_uploads():
        for step in Deployment(build()).run(roles):
            steps.append(step)
            if not as_json:
                _show_step(step)
    made = sum(step.made for step in steps)
    if as_json:
        print_json([vars(step) for step in steps])
    elif made:
        console.print(f"{made} created or changed, {len(steps) - made} unchanged.")
    else:
        console.print("Everything is up to date.")


def doctor(as_json: AsJson = False) -> None:
    """Check the installation, and say how to correct each problem.

    Nothing is changed. The roles of the identity that runs doctor are checked: to check the function app's
    identity, run doctor as that identity.
    """
    from tidegate.installation.doctor import examine, is_unreachable

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _show_finding(finding)
    if as_json:
        print_json([vars(finding) for finding in findings])
    if is_unreachable(findings):
        raise typer.Exit(UNREACHABLE)
    if any(finding.state.value == "fail" for finding in findings):
        raise typer.Exit(FAILED)


def package(
    model: Annotated[str, typer.Argument(metavar="MODEL:VERSION", help="A registered MLflow model.")],
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    workspace: Annotated[
        Literal["development", "production"], typer.Option(help="The workspace to take it from.")
    ] = "production",
    as_json: AsJson = False,
) -> None:
    """Write a folder with which a model is served elsewhere: its files, checked, and a Dockerfile.

    MLflow makes the Dockerfile and has to be installed.
    """
    from tidegate.bootstrap import build
    from tidegate.installation.model_package import write_model_package

    name, colon, version = model.partition(":")
    if not (name and colon and version):
        raise typer.BadParameter(f"write MODEL:VERSION, such as digit-classifier:3 (not {model!r})")
    written = write_model_package(build(), name, version, folder, workspace)
    if as_json:
        files = [vars(file) for file in written.files]
        print_json({**vars(written), "folder": str(folder.resolve()), "files": files})
        return
    size = sum(file.size for file in written.files)
    console.print(
        f"{written.reference} of {workspace} is in {folder}: {len(written.files)} files, {size:,} bytes.",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"Compared with {written.verified}. README.md says how to serve it.", markup=False)
    console.print(written.onnx, markup=False, soft_wrap=True)


def serving_code(
    feed: Annotated[str, typer.Argument(help="A feed of images, or with score.script.")],
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    as_json: AsJson = False,
) -> None:
    """Write the code with which an online deployment serves what a feed is scored with."""
    from tidegate.bootstrap import build
    from tidegate.installation.script_pipelines import write_serving_code

    script = write_serving_code(build(), feed, folder)
    if as_json:
        print_json({"folder": str(folder.resolve()), "scoring_script": script})
    else:
        console.print(f"The scoring script in {folder} is {script}.", markup=False)


def _show_step(step: "DeployStep") -> None:
    change = "[green]+ created  [/]" if step.made else "[dim]= unchanged[/]"
    console.print(f"{change}  {step.target}: {escape(step.what)}", soft_wrap=True)


def _show_finding(finding: "Finding") -> None:
    console.print(
        f"{_SIGNS[finding.state.value]} [bold]{finding.check}[/]  {escape(finding.what)}", soft_wrap=True
    )
    if finding.do:
        console.print(f"    → {escape(finding.do)}", soft_wrap=True)
