"""The manifest of a partition, as the parallel steps of tables and of users' scripts read it.

Parallel components cannot include files of other folders, so `tidegate deploy` copies this file to the code
around a script.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

NOT_LISTED = "not in the manifest"
PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
TABLES = (*PARQUET, *DELIMITERS)  # the ends of the names of tables


@dataclass(frozen=True)
class ListedFiles:
    """The names in a manifest, in its order, and the errors of those files that cannot be read."""

    names: Sequence[str]
    errors: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, file: str, root: Path) -> str:
        """Return a file's name in the manifest, which is relative to the folder of the partition."""
        path = PurePath(file)
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
        # Azure ML may mount the files of mini-batches in another folder than the input. Then the name is the
        # longest end of the path that is in the manifest.
        tails = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
        return next((tail for tail in tails if tail in self._known), path.name)

    def refusal(self, name: str) -> str:
        """Return why a file is not scored, or an empty text if it is."""
        return self.errors.get(name, "") if name in self._known else NOT_LISTED

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)


def read_listed(path: Path) -> ListedFiles:
    """Read a manifest of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines if line.strip()]
    errors = {entry["name"]: entry["error"] for entry in entries if entry.get("error")}
    return ListedFiles([entry["name"] for entry in entries], errors)


def is_table(name: str) -> bool:
    """Return whether a file's name is that of a table."""
    return name.lower().endswith(TABLES)
