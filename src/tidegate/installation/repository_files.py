"""The files of a user's own repository, as this release makes them."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from tidegate.errors import TidegateError
from tidegate.folders import FOLDERS
from tidegate.installation.example_texts import EXAMPLES, TEXTS, Example
from tidegate.installation.wheel_source import WheelSource

_ONLY_HERE = Path(__file__).parent / "scaffold"  # files that Tidegate's own repository does not have
# Files and folders that are the same in Tidegate's own repository.
_SHARED = (
    ".funcignore",
    ".github/workflows/deploy-environment.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/models.yml",
    "azure.yaml",
    "examples/__init__.py",
    "examples/local_cloud.py",
    "examples/message_flow.py",
    "examples/screen.py",
    "function_app.py",
    "host.json",
)
_DEMO = """demo: .venv/ready  ## show the service at work on a new local cloud
\t@.venv/bin/python -m examples.{folder}.demo

"""
# The compiler's results, and what they are made with for the tests of the templates.
_NOT_OF_INFRA = ("*.json", "*.txt", "*.py", "local*.bicepparam", "existing.bicepparam")
_LINTER = "bicepconfig.json"

Files = Mapping[str, bytes]


class ScaffoldError(TidegateError):
    """A user's own repository cannot be made or upgraded. The message says what to do."""


def release_files(example: str, wheel: WheelSource) -> Files:
    """Return every file of a new repository by its path. Raise ScaffoldError for an unknown example."""
    if example not in EXAMPLES:
        raise ScaffoldError(f"there is no example {example!r}; use one of: {', '.join(EXAMPLES)}")
    chosen = EXAMPLES[example]
    files = {path: _filled(content, chosen) for path, content in _below(_ONLY_HERE)}
    files[".gitignore"] = files.pop("gitignore")
    for name in (*_SHARED, f"examples/{chosen.folder}"):
        files |= _below(FOLDERS.repository / name, name)
    # The configuration of the example is that of the repository.
    files.pop(chosen.configuration, None)
    files |= _below(FOLDERS.repository / chosen.configuration, "tidegate.yml")
    infra = dict(_below(FOLDERS.infra, "infra"))
    files |= {path: content for path, content in infra.items() if _is_template(PurePosixPath(path).name)}
    files |= _below(FOLDERS.assets / "compute", "src/assets/compute")
    pinned = (FOLDERS.repository / "requirements.txt").read_text(encoding="utf-8")
    files["requirements.txt"] = _requirements(pinned, wheel).encode()
    extras = "\n".join((wheel.requirement("[cli,tidepool]"), *chosen.packages))
    files["requirements-dev.txt"] = files["requirements-dev.txt"].replace(b"{wheel}", extras.encode())
    if wheel.file:
        files[wheel.path] = wheel.file.read_bytes()
    return dict(sorted(files.items()))


def _filled(content: bytes, example: Example) -> bytes:
    """Return a file with the words of the example in place of their names in braces."""
    text = content.decode().replace("{demo}", _DEMO if example.demo else "")
    for name in TEXTS:
        text = text.replace(f"{{{name}}}", getattr(example, name))
    return text.encode()


def _requirements(pinned: str, wheel: WheelSource) -> str:
    return (
        "# What Azure installs: the wheel of Tidegate, and its dependencies in the tested versions.\n"
        f"{wheel.requirement()}\n{pinned}"
    )


def _is_template(name: str) -> bool:
    return name == _LINTER or not any(fnmatch(name, pattern) for pattern in _NOT_OF_INFRA)


def _below(path: Path, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the files of a folder, or the one file, with their paths. Line endings become those of Unix."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            relative = PurePosixPath(name, file.relative_to(path).as_posix()).as_posix()
            yield relative, file.read_bytes().replace(b"\r\n", b"\n")
