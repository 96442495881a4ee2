"""The entry script of the parallel step. It scores mini-batches and returns a JSON row for each file.

Azure ML calls init() once in each process, run() for each mini-batch, and shutdown() at the end. A broken
image becomes a row with its error. Any other failure fails the mini-batch, and Azure ML tries it again.
https://learn.microsoft.com/azure/machine-learning/how-to-use-parallel-job-in-pipeline
"""

import argparse
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from types import MappingProxyType

import numpy as np
from decoding import BrokenImageError, Picture, read_image
from image_model import ImageModel
from model_output import Prediction
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
        self._names = frozenset(names)
        self._errors = errors
        self._model = model
        # Use twice as many threads as cores: half of the threads decode while the others wait for the
        # storage.
        self._threads = ThreadPoolExecutor(2 * (os.cpu_count() or 1))

    def score(self, files: Sequence[str]) -> list[str]:
        """Return one row for each file. If there are fewer rows than files, Azure ML fails the mini-batch."""
        names = {file: self.name_of(file) for file in files}
        listed = [file for file, name in names.items() if name in self._names and name not in self._errors]
        outcomes = {file: Prediction(error=self._errors.get(names[file], NOT_LISTED)) for file in files}
        decoded: dict[str, Picture] = {}
        for file, picture in zip(listed, self._threads.map(self._read, listed), strict=True):
            if isinstance(picture, BrokenImageError):
                outcomes[file] = Prediction(error=str(picture))
            else:
                decoded[file] = picture
        if decoded:
            images = np.stack([picture.pixels for picture in decoded.values()])
            outcomes.update(zip(decoded, self._model.predict(images), strict=True))
        notes = {file: picture.note for file, picture in decoded.items()}
        return [format_row(Row(names[file], *outcomes[file], notes.get(file, ""))) for file in files]

    def name_of(self, file: str) -> str:
        """Return the file's name in the manifest, which is relative to the folder of the partition."""
        path = PurePath(file)
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        # Azure ML may mount the files of mini-batches in another folder than the input. Then the name is the
        # longest end of the path that is in the manifest.
        tails = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
        return next((tail for tail in tails if tail in self._names), path.name)

    def close(self) -> None:
        self._threads.shutdown()

    def _read(self, file: str) -> Picture | BrokenImageError:
        try:
            return read_image(Path(file), self._model.frame)
        except BrokenImageError as error:
            return error


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
