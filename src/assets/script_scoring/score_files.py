"""The entry script of the parallel step. It gives the files of mini-batches to the user's script.

A file with which the script fails becomes a row with its error. The step fails if the script cannot be
loaded, or if what it returns cannot be understood.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path, PurePath

from script_manifest import NOT_LISTED, read_listed
from user_script import UserScript, find_script, use_model

log = logging.getLogger(__name__)


class FileScorer:
    """The user's script with the manifest. It scores the listed files of one mini-batch after another."""

    def __init__(self, root: Path, names: Sequence[str], errors: dict[str, str], script: UserScript) -> None:
        self._root = root
        self._names = frozenset(names)
        self._errors = errors
        self._script = script

    def score(self, files: Sequence[str]) -> list[str]:
        """Return the JSON rows of files."""
        names = {file: self.name_of(file) for file in files}
        scored = {
            file: name for file, name in names.items() if name in self._names and name not in self._errors
        }
        rows = [
            {"img": name, "error": self._errors.get(name, NOT_LISTED)}
            for file, name in names.items()
            if file not in scored
        ]
        if scored:
            rows += self._script.score(scored)
        return [json.dumps(row) for row in rows]

    def name_of(self, file: str) -> str:
        """Return the file's name in the manifest, which is relative to the folder of the partition."""
        path = PurePath(file)
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        # Azure ML may mount the files of mini-batches in another folder than the input. Then the name is the
        # longest end of the path that is in the manifest.
        tails = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
        return next((tail for tail in tails if tail in self._names), path.name)


_scorer: FileScorer


def init() -> None:
    """Load the manifest and the script, once in each process."""
    global _scorer  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key in ("--data", "--manifest", "--model"):
        parser.add_argument(key, type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    use_model(args.model)
    names, errors = read_listed(args.manifest)
    _scorer = FileScorer(args.data, names, errors, UserScript(find_script()))


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score one mini-batch and return its rows."""
    rows = _scorer.score(list(mini_batch))
    log.info("mini_batch_scored files=%d rows=%d", len(mini_batch), len(rows))
    return rows
