"""The wheel that a user's own repository installs: a file that is copied into it, or an address."""

import json
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from tidegate.errors import TidegateError

_NAME = re.compile(r"tidegate-(?P<version>[^-]+)-py3-none-any\.whl")


class WheelError(TidegateError):
    """The wheel cannot be used. The message says which ones can."""


@dataclass(frozen=True)
class WheelSource:
    """A wheel of Tidegate: its file's name, and either the file or its https:// address."""

    name: str
    file: Path | None = None
    url: str = ""

    @property
    def path(self) -> str:
        """Return the path of the file in the user's repository."""
        return f"wheels/{self.name}"

    def requirement(self, extras: str = "") -> str:
        """Return the line for requirements.txt, with extras such as `[cli]`."""
        return f"./{self.path}{extras}" if self.file else f"tidegate{extras} @ {self.url}"


def wheel_source(text: str) -> WheelSource:
    """Return the wheel that a file's path or an https:// address names.

    Raise WheelError if there is no such file, or if it is not the wheel of the release that runs.
    """
    if "://" in text:
        if not text.startswith("https://"):
            raise WheelError(
                f"{text} is not an https:// address. Write the path of a file or an https:// address"
            )
        source = WheelSource(unquote(urlsplit(text).path).rsplit("/", 1)[-1], url=text)
    else:
        source = WheelSource(Path(text).name, file=Path(text).resolve())
    matched = _NAME.fullmatch(source.name)
    if not matched:
        raise WheelError(
            f"{text!r} is not a wheel of Tidegate, such as dist/tidegate-0.1.0-py3-none-any.whl. "
            "`make wheel` in a checkout of Tidegate builds it; the name on PyPI is not of this project"
        )
    if source.file and not source.file.is_file():
        raise WheelError(
            f"there is no file {source.file}. `make wheel` in a checkout of Tidegate builds the wheel"
        )
    if matched["version"] != distribution("tidegate").version:
        raise WheelError(
            f"{source.name} is not of the release that runs ({distribution('tidegate').version}). "
            f"Install that wheel first: pip install --no-deps --upgrade {text}"
        )
    return source


def installed_wheel() -> WheelSource:
    """Return the wheel that pip or uv installed this package from. Raise WheelError if it is not known.

    https://packaging.python.org/specifications/direct-url/
    """
    try:
        recorded = json.loads(distribution("tidegate").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        recorded = {}
    url = str(recorded.get("url", "")) if "archive_info" in recorded else ""
    if not url:
        raise WheelError(
            "Say which wheel the repository shall install: --wheel FILE or --wheel https://... "
            "`make wheel` in a checkout of Tidegate builds the file"
        )
    return wheel_source(url2pathname(urlsplit(url).path) if url.startswith("file:") else url)
