"""The file formats that the steps share: the manifest, and rows as JSON lines."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

NOT_LISTED = "not in the manifest"
COLUMNS = ("img", "label", "score", "error")  # of the published tables


class Row(NamedTuple):
    """The outcome of one image.

    `score` is None if the model gave no score. `error` is empty if there was no error. `note` says what the
    pixels may lack, and is not published with the row. `more` has further columns of steps of users.
    """

    img: str
    label: str
    score: float | None
    error: str
    note: str = ""
    more: tuple[tuple[str, Any], ...] = ()


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
    """Return the row of an image as one line. JSON escapes the line breaks that a name may have."""
    plain = row[: len(COLUMNS) + 1]
    return json.dumps([*plain, row.more] if row.more else plain)


def is_of_images(path: Path) -> bool:
    """Return whether our step wrote the rows of a file, and not a step of users."""
    with path.open(encoding="utf-8") as lines:
        return next((line for line in lines if line.strip()), "[").startswith("[")


def parse_rows(lines: Iterable[str]) -> Iterator[Row | None]:
    """Yield the rows of a file to which many processes appended. A line that cannot be read gives None.

    A row is a list in the order of Row, as our steps write it, or a dictionary, as steps of users do.
    """
    for line in lines:
        if line.strip():
            yield _parse(line)


def _parse(line: str) -> Row | None:
    try:
        row = json.loads(line)
        return _of_dictionary(row) if isinstance(row, dict) else _of_list(row)
    except (TypeError, ValueError, KeyError):
        return None


def _of_list(row: list[Any]) -> Row:
    plain, more = row[: len(COLUMNS) + 1], row[len(COLUMNS) + 1 :]
    return Row(*plain, more=tuple((name, value) for name, value in more[0]) if more else ())


def _of_dictionary(row: dict[str, Any]) -> Row:
    """Return the row with the name of its file in `img` or `file`.

    A score that is not finite is an error.
    """
    name = str(row.pop("img") if "img" in row else row.pop("file"))
    label, score, error = row.pop("label", None), row.pop("score", None), row.pop("error", None)
    score = None if score is None else float(score)
    if not error and score is not None and not math.isfinite(score):
        score, error = None, f"the score is {score}"
    return Row(name, "" if label is None else str(label), score, str(error or ""), more=tuple(row.items()))
