"""The zip of the deployment package for Azure, and its size."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidegate.installation.package_files import PACKAGES

MAX_ZIP_MB = 70.0
MAX_UNPACKED_MB = 130.0

_EARLIEST = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """The package cannot be built, or it is too large. The message says what to do."""


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
