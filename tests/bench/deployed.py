"""The size of the packages that Azure installs (requirements.txt), compared with the same and full mlflow."""

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.bench.table import Row

MEBIBYTE = 1024 * 1024


def measure(root: Path) -> list[Row]:
    lines = (root / "requirements.txt").read_text().splitlines()
    deployed = _applicable(Requirement(line) for line in lines if line)
    with_mlflow = deployed | _closure("mlflow")
    sizes = (_size(deployed) / MEBIBYTE, _size(with_mlflow) / MEBIBYTE)
    counts = (float(len(deployed)), float(len(with_mlflow)))
    return [
        Row.bound("installed files", "MiB", sizes, "with full mlflow", "<= 120"),
        Row.ratio("distributions", "", counts, "with full mlflow", ""),
    ]


def _applicable(requirements: Iterable[Requirement]) -> set[str]:
    return {_canonical(r.name) for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})}


def _closure(name: str) -> set[str]:
    """Return the names of a distribution and of all that it requires here."""
    found: set[str] = set()
    waiting = {_canonical(name)}
    while waiting:
        found |= waiting
        requirements = (Requirement(text) for each in waiting for text in distribution(each).requires or [])
        waiting = _applicable(requirements) - found
    return found


def _size(names: Iterable[str]) -> int:
    return sum(_files_size(distribution(name)) for name in names)


def _files_size(installed: Distribution) -> int:
    """Return its bytes on disk, without the bytecode that is compiled after the installation."""
    paths = (
        Path(str(installed.locate_file(file))) for file in installed.files or [] if file.suffix != ".pyc"
    )
    return sum(path.stat().st_size for path in paths if path.is_file())


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
