"""The entry script of the parallel step. It gives the files of mini-batches to the user's script.

A file with which the script fails becomes a row with its error. The step fails if the script cannot be
loaded, or if what it returns cannot be understood.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from listed_files import ListedFiles, read_listed
from user_script import UserScript, find_script, use_model

log = logging.getLogger(__name__)


class FileScorer:
    """The user's script with the manifest. It scores the listed files of one mini-batch after another."""

    def __init__(self, root: Path, listed: ListedFiles, script: UserScript) -> None:
        self._root = root
        self._listed = listed
        self._script = script

    def score(self, files: Sequence[str]) -> list[str]:
        """Return the JSON rows of files."""
        names = {file: self._listed.name_of(file, self._root) for file in files}
        refusals = {file: self._listed.refusal(name) for file, name in names.items()}
        scored = {file: name for file, name in names.items() if not refusals[file]}
        rows = [{"img": names[file], "error": refusal} for file, refusal in refusals.items() if refusal]
        if scored:
            rows += self._script.score(scored)
        return [json.dumps(row) for row in rows]


_scorer: FileScorer


def init() -> None:
    """Load the manifest and the script, once in each process."""
    global _scorer  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key in ("--data", "--manifest", "--model"):
        parser.add_argument(key, type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    use_model(args.model)
    _scorer = FileScorer(args.data, read_listed(args.manifest), UserScript(find_script()))


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score one mini-batch and return its rows."""
    rows = _scorer.score(list(mini_batch))
    log.info("mini_batch_scored files=%d rows=%d", len(mini_batch), len(rows))
    return rows
