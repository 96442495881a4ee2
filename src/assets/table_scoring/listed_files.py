"""The manifest, as the parallel step reads it, which cannot include a module of another pipeline."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOT_LISTED = "not in the manifest"
PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
TABLES = (*PARQUET, *DELIMITERS)  # the ends of the names of tables


@dataclass(frozen=True)
class ListedFiles:
    """The names in a manifest, in its order, and the errors of those files that cannot be read."""

    names: Sequence[str]
    errors: Mapping[str, str] = field(default_factory=dict)


def read_listed(path: Path) -> ListedFiles:
    """Read a manifest of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines if line.strip()]
    errors = {entry["name"]: entry["error"] for entry in entries if entry.get("error")}
    return ListedFiles([entry["name"] for entry in entries], errors)


def is_table(name: str) -> bool:
    """Return whether a file's name is that of a table."""
    return name.lower().endswith(TABLES)
