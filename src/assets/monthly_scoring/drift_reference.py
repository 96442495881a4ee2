"""The drift reference, which is kept beside the model: features of images and the model's answers."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from image_features import Array, features

FILE = "drift_reference.json"
SAMPLE = 2_000
DIGITS = 6  # significant ones


@dataclass(frozen=True)
class Sample:
    """A sample of images for the measurement of drift.

    `data` says where they come from; `scores` is empty if the model gives none.
    """

    data: str
    features: Mapping[str, Sequence[float]]
    labels: Mapping[str, int]
    scores: Sequence[float]

    @property
    def n(self) -> int:
        return len(next(iter(self.features.values()), ()))


def sampled(count: int) -> list[int]:
    """Return the indices of at most SAMPLE of `count` items in order, the same for each call."""
    random = np.random.default_rng(0)
    return sorted(random.choice(count, size=min(count, SAMPLE), replace=False).tolist())


def sample(data: str, pixels: Array, labels: Sequence[str], scores: Sequence[float]) -> Sample:
    """Return a sample of images (n, height, width, channels), with the labels and scores that a model gave.

    After a training, pass the answers to images that the model was not trained on: it is surer of the
    others.
    """
    return Sample(
        data,
        {name: _rounded(values) for name, values in features(pixels[sampled(len(pixels))]).items()},
        dict(Counter(map(str, labels))),
        _rounded(scores),
    )


def save(reference: Sample, model: Path) -> None:
    """Save the sample into the model's folder, so that it is copied with the model."""
    (model / FILE).write_text(json.dumps(asdict(reference), indent=1), encoding="utf-8")


def load(model: Path) -> Sample | None:
    """Return the model's reference, or None if it was trained without one."""
    file = model / FILE
    return Sample(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
