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
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.installation.package_files import PACKAGES, app_files

ROOT = Path(__file__).resolve().parents[3]
PYTHONS = ("3.11", "3.12")  # azure-functions 1.x needs Python below 3.13
AZURE = "x86_64-manylinux_2_28"
MAX_ZIP_MB = 70.0
MAX_UNPACKED_MB = 130.0

_REQUIREMENTS = "requirements.txt"
_KEPT_S = 7 * 24 * 3600
_FORMAT = "1"  # increase it if the same files are packed in another way
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """The package cannot be built, or it is too large. The message says what to do."""


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


@dataclass(frozen=True)
class PackageSize:
    """The size of a package in MB (1,000,000 bytes). `unpacked` is without bytecode, as `pip` installs it."""

    zipped: float
    unpacked: float
    largest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.zipped:.1f} MB zipped, {self.unpacked:.1f} MB unpacked without bytecode"

    def check(self) -> None:
        """Raise PackageError if the package is larger than allowed."""
        if self.zipped > MAX_ZIP_MB or self.unpacked > MAX_UNPACKED_MB:
            raise PackageError(
                f"The package is too large: {self}; {MAX_ZIP_MB:g} MB and {MAX_UNPACKED_MB:g} MB are "
                f"allowed. Remove a dependency from pyproject.toml. The largest: {', '.join(self.largest)}"
            )


def unpacked(root: Path = ROOT, target: Target | None = None) -> Path:
    """Return the folder of the package of a checkout, which is built if its content has changed."""
    target = target or Target()
    files = app_files(root)
    contents = [part for path in files for part in (str(path).encode(), (root / path).read_bytes())]
    cache = _cache()
    with _locked(cache):
        dependencies = _dependencies(root, target, cache)
        folder = cache / f"app-{target.python}-{_digest(dependencies.name.encode(), *contents)}"
        if not folder.exists():
            _remove_unused(cache)
            with _finished_as(folder) as building:
                for path in files:
                    (building / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(root / path, building / path)
                _compile(building, _interpreter(root, target))
                (building / PACKAGES).parent.mkdir(parents=True)
                (building / PACKAGES).symlink_to(dependencies)
        for used in (folder, dependencies):
            os.utime(used)
    return folder


def write_zip(folder: Path, file: Path) -> PackageSize:
    """Write a package to a zip file and return its size. The same files make the same zip."""
    unpacked_bytes: Counter[str] = Counter()
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(_files(folder)):
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            archive.writestr(_entry(name), content)
            if path.suffix != ".pyc":
                unpacked_bytes[_part(name)] += len(content)
    largest = tuple(f"{part} {size / 1e6:.1f} MB" for part, size in unpacked_bytes.most_common(5))
    return PackageSize(file.stat().st_size / 1e6, unpacked_bytes.total() / 1e6, largest)


def _cache() -> Path:
    """Return the folder of built packages. All checkouts of a user share it, as they share uv's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate" / "packages"


def _dependencies(root: Path, target: Target, cache: Path) -> Path:
    """Return the folder of the installed requirements. uv links the files to its cache where it can."""
    requirements = root / _REQUIREMENTS
    key = _digest(*(f"{_FORMAT} {target}".encode(), requirements.read_bytes()))
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
    uv = shutil.which("uv") or root / ".tools/uv/bin/uv"
    if not Path(uv).exists():
        raise PackageError("uv is not installed: run `make package`, which installs it")
    environ = {
        **os.environ,
        "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
        "UV_COMPILE_BYTECODE_TIMEOUT": "600",
    }
    environ.pop("UV_PYTHON", None)
    done = subprocess.run([uv, *arguments], env=environ, capture_output=True, text=True, check=False)
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


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        yield from (Path(parent, name) for name in names)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.external_attr = 0o100644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _part(name: str) -> str:
    """Return the part of the package whose size is of interest: a dependency, or the app's own files."""
    return name.removeprefix(f"{PACKAGES}/").split("/")[0] if name.startswith(f"{PACKAGES}/") else "the app"


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
