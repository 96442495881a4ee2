"""The deployment package: the app's files and its dependencies, as a folder for Tidepool or a zip for Azure.

`make package` runs this module. A package is built once for its content: the dependencies once for each
requirements.txt, Python and platform, the app's files once for each of their versions.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tidegate.folders import FOLDERS
from tidegate.installation.package_files import PACKAGES, app_files
from tidegate.installation.package_zip import MAX_UNPACKED_MB, MAX_ZIP_MB, PackageError, write_zip

ROOT = FOLDERS.app
PYTHONS = ("3.11", "3.12")  # azure-functions 1.x needs Python below 3.13
AZURE = "x86_64-manylinux_2_28"

_REQUIREMENTS = "requirements.txt"
_CONFIGURATION = "tidegate.yml"
_KEPT_S = 7 * 24 * 3600
_FORMAT = "1"  # increase it if the same files are packed in another way


@dataclass(frozen=True)
class Target:
    """The Python version that runs the package, and its platform by uv's name (None: this machine)."""

    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    platform: str | None = None

    def __post_init__(self) -> None:
        if self.python not in PYTHONS:
            raise PackageError(
                f"PYTHON={self.python}: the package can be built for Python {' or '.join(PYTHONS)} only"
            )


def unpacked(root: Path = ROOT, target: Target | None = None, configuration: Path | None = None) -> Path:
    """Return the folder of the package of a checkout, which is built if its content has changed.

    The file `configuration` takes the place of the checkout's tidegate.yml.
    """
    target = target or Target()
    files = {path: root / path for path in app_files(root)}
    if configuration is not None:
        files[PurePosixPath(_CONFIGURATION)] = configuration
    contents = [part for path, file in files.items() for part in (str(path).encode(), file.read_bytes())]
    cache = _cache()
    with _locked(cache):
        dependencies = _dependencies(root, target, cache)
        folder = cache / f"app-{target.python}-{_digest(dependencies.name.encode(), *contents)}"
        if not folder.exists():
            _remove_unused(cache)
            with _finished_as(folder) as building:
                for path, file in files.items():
                    (building / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, building / path)
                _compile(building, _interpreter(root, target))
                (building / PACKAGES).parent.mkdir(parents=True)
                (building / PACKAGES).symlink_to(dependencies)
        for used in (folder, dependencies):
            os.utime(used)
    return folder


def _cache() -> Path:
    """Return the folder of built packages. All checkouts of a user share it, as they share uv's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate" / "packages"


def _dependencies(root: Path, target: Target, cache: Path) -> Path:
    """Return the folder of the installed requirements. uv links the files to its cache where it can."""
    requirements = root / _REQUIREMENTS
    key = _digest(f"{_FORMAT} {target}".encode(), requirements.read_bytes(), *local_wheels(root))
    folder = cache / f"dependencies-{target.python}-{key}"
    if not folder.exists():
        with _finished_as(folder) as building:
            command = [
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--compile-bytecode",
                "--target",
                str(building),
            ]
            command += ["--python", _interpreter(root, target), "--requirement", str(requirements)]
            if target.platform:
                command += ["--only-binary=:all:", f"--python-platform={target.platform}"]
                command += [f"--python-version={target.python}"]
            _uv(root, *command)
            shutil.rmtree(building / "bin", ignore_errors=True)
            (building / ".lock").unlink(missing_ok=True)
    return folder


def local_wheels(root: Path) -> list[bytes]:
    """Return the content of each wheel that requirements.txt names as a file, such as `./wheels/a.whl`.

    Two builds of a release have the same file name. Raise PackageError if there is no such file.
    """
    lines = (root / _REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    files = [root / line for line in lines if line.startswith("./")]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise PackageError(f"{_REQUIREMENTS} names {', '.join(missing)}, which does not exist")
    return [file.read_bytes() for file in files]


def _interpreter(root: Path, target: Target) -> str:
    """Return the Python that compiles the bytecode. Raise PackageError if this machine does not have it."""
    if target.python == Target().python:
        return sys.executable
    try:
        return _uv(root, "python", "find", "--no-project", target.python).strip()
    except PackageError as error:
        raise PackageError(
            f"Python {target.python} is not installed on this machine, and only it can compile the package's "
            f"bytecode. Install it, for example with `uv python install {target.python}`"
        ) from error


def _compile(folder: Path, interpreter: str) -> None:
    command = [interpreter, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
    subprocess.run([*command, "-s", str(folder), str(folder)], check=True)


def _uv(root: Path, *arguments: str) -> str:
    """Run uv and return its output.

    Bytecode is valid whatever the time of its source, because unpacking a zip changes the times.
    """
    beside = os.pathsep.join((str(Path(sys.executable).parent), str(root / ".tools/uv/bin")))
    uv = shutil.which("uv") or shutil.which("uv", path=beside)
    if uv is None:
        raise PackageError("uv is not installed: run `make package`, which installs it")
    environ = {
        **os.environ,
        "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
        "UV_COMPILE_BYTECODE_TIMEOUT": "600",
    }
    environ.pop("UV_PYTHON", None)
    done = subprocess.run(
        [uv, *arguments], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PackageError(f"uv {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Let one process build at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _finished_as(folder: Path) -> Iterator[Path]:
    """Give a new folder, and rename it to `folder` if the block ends without an error."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        building = Path(scratch) / folder.name
        building.mkdir()
        yield building
        building.rename(folder)


def _remove_unused(cache: Path) -> None:
    """Delete what was built and not used for a week."""
    for folder in [*cache.glob("app-*"), *cache.glob("dependencies-*")]:
        if folder.stat().st_mtime < time.time() - _KEPT_S:
            shutil.rmtree(folder)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def main(arguments: list[str] | None = None) -> None:
    """Write the zip for Azure, say its size, and exit with 1 if it is too large."""
    parser = argparse.ArgumentParser(prog="make package", description=main.__doc__)
    parser.add_argument("--python", default=Target().python, help="the Python version of the function app")
    parser.add_argument("--local", action="store_true", help="only build the folder that Tidepool runs")
    options = parser.parse_args(arguments)
    try:
        if options.local:
            unpacked()
            return
        target = Target(options.python, AZURE)
        file = ROOT / "dist" / f"tidegate-python{target.python}.zip"
        size = write_zip(unpacked(ROOT, target), file)
        print(f"{file.relative_to(ROOT)}: {size} (at most {MAX_ZIP_MB:g} MB and {MAX_UNPACKED_MB:g} MB).")
        size.check()
    except PackageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
