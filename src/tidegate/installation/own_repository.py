"""A user's own repository: it is made once, and later releases show what they would change in it."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tidegate.installation.example_texts import EXAMPLES
from tidegate.installation.repository_files import Files, ScaffoldError, release_files
from tidegate.installation.wheel_source import WheelSource

RECORD = ".scaffold.json"
_NAMED = 5


@dataclass(frozen=True)
class Change:
    """A file that a release would change: its content now and afterwards, None if there is no file.

    `kept` is true if the user changed or deleted the file, so that the change has to be merged by hand.
    """

    path: str
    before: bytes | None
    after: bytes | None
    kept: bool

    def diff(self) -> str:
        """Return the change as a unified diff."""
        old = f"a/{self.path}" if self.before is not None else "/dev/null"
        new = f"b/{self.path}" if self.after is not None else "/dev/null"
        try:
            before, after = (self.before or b"").decode(), (self.after or b"").decode()
        except UnicodeDecodeError:
            return f"Binary files {old} and {new} differ\n"
        texts = before.splitlines(keepends=True), after.splitlines(keepends=True)
        lines = difflib.unified_diff(texts[0], texts[1], fromfile=old, tofile=new)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )


def create(folder: Path, example: str, wheel: WheelSource) -> list[str]:
    """Write a new repository and return the paths of its files. Raise ScaffoldError unless it is empty.

    A folder with nothing but `.git` counts as empty.
    """
    files = release_files(example, wheel)
    if folder.exists() and not folder.is_dir():
        raise ScaffoldError(f"{folder} is a file. Name a new or an empty folder")
    names = sorted(path.name for path in folder.iterdir() if path.name != ".git") if folder.exists() else []
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise ScaffoldError(
            f"{folder} is not empty: it has {', '.join(names[:_NAMED])}{more}. Name a new or an empty folder."
            " For a repository that `tidegate init` made, use --upgrade"
        )
    for path, content in files.items():
        _write(folder / path, content)
    _record(folder, example, files)
    return [*files, RECORD]


def upgrade(folder: Path, wheel: WheelSource, *, write: bool) -> list[Change]:
    """Return what this release would change in a repository, and change it if `write` is true.

    Files that the user changed are never written. Raise ScaffoldError if `tidegate init` did not make it.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        example, recorded = record.get("example", next(iter(EXAMPLES))), dict(record["files"])
    except FileNotFoundError as error:
        raise ScaffoldError(
            f"{folder} has no {RECORD}, so `tidegate init` did not make it. Name another folder"
        ) from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ScaffoldError(f"{folder / RECORD} cannot be read. Restore it from git") from error
    files = release_files(example, wheel)
    present = {path: _read(folder / path) for path in {*recorded, *files}}
    changes = decide_changes(recorded, present, files)
    if write:
        for change in changes:
            if not change.kept and change.after is not None:
                _write(folder / change.path, change.after)
            elif not change.kept:
                (folder / change.path).unlink()
        _record(folder, example, files)
    return changes


def decide_changes(
    recorded: Mapping[str, str], present: Mapping[str, bytes | None], release: Files
) -> list[Change]:
    """Return the files that the release changes, compared with what the former release wrote (`recorded`)."""
    changes = []
    for path in sorted({*recorded, *release}):
        old, now, new = recorded.get(path), present.get(path), release.get(path)
        if _digest(new) not in (old, _digest(now)):
            changes.append(Change(path, now, new, kept=_digest(now) != old))
    return changes


def summary(changes: Sequence[Change], *, written: bool) -> list[str]:
    """Return the sentences that follow the diffs."""
    if not changes:
        return ["Everything is up to date with this release."]
    kept = [change.path for change in changes if change.kept]
    others = len(changes) - len(kept)
    lines = [f"{others} {'files are' if others != 1 else 'file is'} {'' if written else 'to be '}changed."]
    if kept:
        lines.append(f"You changed these files, so they are kept: merge the diff by hand: {', '.join(kept)}.")
    return lines if written else [*lines, "Nothing is written. Use --upgrade --write to write the changes."]


def _digest(content: bytes | None) -> str | None:
    """Return the SHA-256 of a file. Line endings make no difference."""
    return None if content is None else hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if file.suffix == ".sh":
        file.chmod(0o755)


def _record(folder: Path, example: str, files: Files) -> None:
    digests: Iterable[tuple[str, str | None]] = ((path, _digest(content)) for path, content in files.items())
    record = {"release": version("tidegate"), "example": example, "files": dict(digests)}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
