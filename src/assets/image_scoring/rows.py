"""The file formats that the steps share: the manifest, and rows as JSON lines."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

NOT_LISTED = "not in the manifest"
COLUMNS = ("img", "label", "score", "error")  # of the published tables


class Row(NamedTuple):
    """The outcome of one image.

    `score` is None if the model gave no score. `error` is empty if there was no error. `note` says what the
    pixels may lack, and is not published with the row.
    """

    img: str
    label: str
    score: float | None
    error: str
    note: str = ""


def read_manifest(path: Path) -> list[str]:
    """Return the names in a manifest of JSON lines, in its order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["name"] for line in lines if line.strip()]


def read_errors(path: Path) -> dict[str, str]:
    """Return the files of a manifest that cannot be read, each with its error."""
    with path.open(encoding="utf-8") as lines:
        entries = (json.loads(line) for line in lines if line.strip())
        return {entry["name"]: entry["error"] for entry in entries if entry.get("error")}


def format_row(row: Row) -> str:
    """Return the row as one line. JSON escapes the line breaks that a name may have."""
    return json.dumps(row)


def parse_rows(lines: Iterable[str]) -> Iterator[Row | None]:
    """Yield the rows of a file to which many processes appended. A line that cannot be read gives None."""
    for line in lines:
        if line.strip():
            yield _parse(line)


def _parse(line: str) -> Row | None:
    try:
        return Row(*json.loads(line))
    except (TypeError, ValueError):
        return None
