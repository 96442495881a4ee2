"""What passes between the two steps: the manifest's names, and rows of JSON that a line break cannot tear."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

NOT_LISTED = "not in the manifest"


class Row(NamedTuple):
    """One image's outcome: `score` is None where the model gave none, `error` is empty where all is well."""

    img: str
    label: str
    score: float | None
    error: str


def read_manifest(path: Path) -> list[str]:
    """The names of a manifest of JSON lines, in its order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["name"] for line in lines if line.strip()]


def format_row(row: Row) -> str:
    """One line without line breaks, whatever the name holds."""
    return json.dumps(row)


def parse_rows(lines: Iterable[str]) -> Iterator[Row | None]:
    """The rows of a file that many processes appended to; None for a line that is torn."""
    for line in lines:
        if line.strip():
            yield _parse(line)


def _parse(line: str) -> Row | None:
    try:
        img, label, score, error = json.loads(line)
    except (TypeError, ValueError):
        return None
    return Row(img, label, score, error)
