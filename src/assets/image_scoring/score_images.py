"""The entry script of the parallel step. It scores mini-batches and returns a JSON row for each file.

Azure ML calls init() once in each process, run() for each mini-batch, and shutdown() at the end. A broken
image becomes a row with its error. Any other failure fails the mini-batch, and Azure ML tries it again.
https://learn.microsoft.com/azure/machine-learning/how-to-use-parallel-job-in-pipeline
"""

import argparse
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType

from image_model import ImageModel
from picture_reader import PictureReader
from picture_rows import rows_of
from rows import NOT_LISTED, Row, format_row, read_errors, read_manifest

log = logging.getLogger(__name__)


class Scorer:
    """The model with the manifest. It scores the listed files of one mini-batch after another."""

    def __init__(
        self,
        root: Path,
        names: Iterable[str],
        model: ImageModel,
        errors: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._root = root
        self._prefix = f"{root.as_posix()}/"
        self._names = frozenset(names)
        self._errors = errors
        self._model = model
        self._reader = PictureReader(model.frame)

    def score(self, files: Sequence[str]) -> list[str]:
        """Return one row for each file. If there are fewer rows than files, Azure ML fails the mini-batch."""
        names = {file: self.name_of(file) for file in files}
        listed = [file for file, name in names.items() if name in self._names and name not in self._errors]
        pictures = zip((names[file] for file in listed), self._reader.read(listed), strict=True)
        scored = dict(zip(listed, rows_of(self._model, pictures), strict=True))
        return [format_row(scored.get(file) or self._unread(names[file])) for file in files]

    def name_of(self, file: str) -> str:
        """Return the file's name in the manifest, which is relative to the folder of the partition."""
        if file.startswith(self._prefix) and (name := file[len(self._prefix) :]) in self._names:
            return name
        path = PurePath(file)
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        # Azure ML may mount the files of mini-batches in another folder than the input. Then the name is the
        # longest end of the path that is in the manifest.
        tails = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
        return next((tail for tail in tails if tail in self._names), path.name)

    def close(self) -> None:
        """Stop the threads."""
        self._reader.close()

    def _unread(self, name: str) -> Row:
        """Return the row of a file that was not read, with the reason."""
        return Row(name, "", None, self._errors.get(name, NOT_LISTED))


_scorer: Scorer


def init() -> None:
    """Load the manifest and the model, once in each process."""
    global _scorer  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    names, errors = read_manifest(args.manifest), read_errors(args.manifest)
    _scorer = Scorer(args.images, names, ImageModel(args.model), errors)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score one mini-batch and return its rows."""
    rows = _scorer.score(list(mini_batch))
    log.info("mini_batch_scored files=%d", len(rows))
    return rows


def shutdown() -> None:
    _scorer.close()
