"""The Python of a job or deployment: that of Tidepool, or an environment that uv builds from a conda file."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tidepool.azureml.references import References
from tidepool.jobs.conda import Requirements, missing_modules, package_name, package_of, read_conda_file
from tidepool.store import Document, Store

SHARED, BUILD = "shared", "build"
_PACKAGE = Path(__file__).parents[1]  # a built environment gets it for the driver of parallel steps
_READY = ".ready"


class EnvironmentBuildError(Exception):
    """An environment cannot be built. The message names the environment and the reason."""

    def __init__(self, label: str, reason: str, log: str = "") -> None:
        super().__init__(f"The environment {label} cannot be built: {reason}")
        self.log = log


@dataclass(frozen=True)
class PythonEnvironment:
    """The Python of a job or a deployment, and the log of how it was chosen or built.

    `label` is the name and version of the Azure ML environment. `requirements` are None if it has no conda
    file. An environment that is not `built` is the Python environment of Tidepool.
    """

    python: Path
    label: str = ""
    requirements: Requirements | None = None
    log: str = ""
    built: bool = False

    def hint(self, output: str) -> str:
        """Return which requirement was not installed, if the output of a program shows a failed import."""
        modules = missing_modules(output)
        if not modules or not self.label:
            return ""
        if self.requirements is None:
            return (
                f"Tidepool: the module {', '.join(modules)} is not installed in the Python environment of "
                f"Tidepool, which is used. The environment {self.label} has no conda file, so Tidepool "
                "does not know what its image contains. Install the package there."
            )
        packages = self.requirements.packages
        wanted = [line for line in packages if package_name(line) in map(package_of, modules)]
        missing = wanted or [line for line in packages if package_name(line) and not _installed(line)]
        of = f"of the environment {self.label}"
        if self.built or not missing:
            return f"Tidepool: no package with the module {', '.join(modules)} is a requirement {of}."
        return (
            f"Tidepool: the requirement {', '.join(missing)} {of} is not installed, because the Python "
            "environment of Tidepool is used. Install it there, or start Tidepool with: "
            "tidepool up --environments build"
        )

    def differences(self) -> str:
        """Return which pins differ from the versions that are installed, or an empty string."""
        packages = self.requirements.packages if self.requirements and not self.built else ()
        other = [f"{line} ({version})" for line in packages if (version := _other_version(line))]
        if not other:
            return ""
        return (
            f"Tidepool: the environment {self.label} is not built, and other versions than those it pins are "
            f"installed: {', '.join(other)}. To build it, start Tidepool with: "
            "tidepool up --environments build"
        )


class PythonEnvironments:
    """The environments of all jobs and online deployments of this Tidepool.

    In the mode `shared` all of them run with `python`. In the mode `build`, environments with a conda file
    become virtual environments in `folder`, one for each content.
    """

    def __init__(self, *, store: Store, mode: str, python: Path, folder: Path) -> None:
        self._references = References(store)
        self._mode = mode
        self._python = python
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, workspace_id: str, identifier: str | None) -> PythonEnvironment:
        """Return the Python for the environment with this id.

        Raise EnvironmentBuildError if it cannot be built.
        """
        reference = self._references.read(workspace_id, identifier or "")
        document = self._references.resolve(reference) if reference else None
        if document is None:
            return PythonEnvironment(self._python)
        return await self.of(document)

    async def of(self, document: Document) -> PythonEnvironment:
        """Return the Python for an environment, given by its document."""
        return await self.of_conda_file(_label(document), document["properties"].get("condaFile"))

    async def of_conda_file(self, label: str, conda: str | None) -> PythonEnvironment:
        """Return the Python for a conda file. `label` is the name and version of what it belongs to."""
        try:
            requirements = read_conda_file(conda) if conda else None
        except ValueError as error:
            raise EnvironmentBuildError(label, str(error)) from error
        if self._mode == SHARED or requirements is None:
            log = "\n".join(_shared_log(label, requirements))
            return PythonEnvironment(self._python, label, requirements, log)
        if requirements.refused:
            packages = ", ".join(requirements.refused)
            reason = f"pip has no package for {packages}. Tidepool installs no conda packages of this kind."
            raise EnvironmentBuildError(label, reason)
        return await self._built(label, requirements)

    async def _built(self, label: str, requirements: Requirements) -> PythonEnvironment:
        """Return the virtual environment of the requirements. Build it if there is none with this content."""
        content = json.dumps([requirements.python, requirements.packages, str(self._python)])
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        folder = self._folder / key
        async with self._locks.setdefault(key, asyncio.Lock()):
            if not (folder / _READY).exists():
                log = await asyncio.to_thread(self._build, folder, label, requirements)
                (folder / _READY).write_text(log)
        log = (folder / _READY).read_text()
        return PythonEnvironment(folder / "bin" / "python", label, requirements, log, built=True)

    def _build(self, folder: Path, label: str, requirements: Requirements) -> str:
        """Build a virtual environment, and return the log of the build."""
        uv = shutil.which("uv")
        if uv is None:
            reason = "the program uv was not found on the PATH. To install it: pip install uv"
            raise EnvironmentBuildError(label, reason)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Packages do not depend on the third number of Python's version, and machines have one of them.
        python = re.sub(r"^(\d+\.\d+)\.\d+$", r"\1", requirements.python) or str(self._python)
        lines = [f"Tidepool builds the environment {label}.", *requirements.notes]
        create = [uv, "venv", "--python", python, str(folder)]
        lines.append(_run(create, label, f"python={python} is not available on this machine", lines))
        file = folder / "requirements.txt"
        file.write_text("\n".join(requirements.packages) + "\n")
        version = _run([str(folder / "bin/python"), "-V"], label, "its Python does not start", lines).strip()
        lines.append(version)
        install = [uv, "pip", "install", "--python", str(folder / "bin/python")]
        install += ["--only-binary", ":all:", "--requirement", str(file)]
        if requirements.packages:
            lines.append(_run(install, label, f"its pins cannot be installed for {version}", lines))
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "tidepool").symlink_to(_PACKAGE, target_is_directory=True)
        return "\n".join(lines)


def _run(command: list[str], label: str, failure: str, lines: list[str]) -> str:
    """Run a program, and return its output. Raise EnvironmentBuildError if it fails."""
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        log = "\n".join((*lines, done.stdout))
        raise EnvironmentBuildError(label, f"{failure}: {done.stdout.strip()}", log)
    return done.stdout


def _shared_log(label: str, requirements: Requirements | None) -> Iterator[str]:
    """Yield the lines of the log that compare the requirements with what is installed."""
    if requirements is None:
        return
    yield f"The environment {label} is not built: the Python environment of Tidepool is used."
    if requirements.python:
        yield f"python={requirements.python}: not used"
    for line in (*requirements.packages, *requirements.refused):
        if package_name(line):
            yield f"{line}: {_installed(line) or 'not'} installed"


def _installed(requirement: str) -> str:
    """Return the version of a package that is installed here, or an empty string."""
    try:
        return metadata.version(package_name(requirement))
    except metadata.PackageNotFoundError:
        return ""


def _other_version(requirement: str) -> str:
    """Return the installed version of a package, if the requirement pins another one."""
    pin = re.search(r"==\s*([\w.]+?)(\.\*)?\s*$", requirement)
    version = _installed(requirement) if pin else ""
    is_met = pin is None or version == pin[1] or (pin[2] is not None and version.startswith(f"{pin[1]}."))
    return "" if is_met else version


def _label(document: Document) -> str:
    parts = document["id"].rsplit("/", 3)
    return f"{parts[-3]}:{parts[-1]}"
