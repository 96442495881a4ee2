"""The drift reference of a model, which is a file in the model's folder.

It contains features of the training images, and the model's predictions for images that it was not trained
on.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from image_features import Array, features

FILE = "drift_reference.json"
SAMPLE = 2_000
DIGITS = 6  # significant digits


@dataclass(frozen=True)
class Sample:
    """The features, labels and scores of images.

    `data` names the data that the images are from. `scores` is empty if the model gives no scores.
    """

    data: str
    features: Mapping[str, Sequence[float]]
    labels: Mapping[str, int]
    scores: Sequence[float]

    @property
    def n(self) -> int:
        return len(next(iter(self.features.values()), ()))


def sampled(count: int) -> list[int]:
    """Return the sorted indices of at most SAMPLE of `count` items. Each call returns the same indices."""
    random = np.random.default_rng(0)
    return sorted(random.choice(count, size=min(count, SAMPLE), replace=False).tolist())


def sample(data: str, pixels: Array, labels: Sequence[str], scores: Sequence[float]) -> Sample:
    """Return a sample of images (n, height, width, channels), with the labels and scores that a model gave.

    At training, pass the predictions for images that the model did not learn from, because the model's scores
    for its training images are too high.
    """
    return Sample(
        data,
        {name: _rounded(values) for name, values in features(pixels[sampled(len(pixels))]).items()},
        dict(Counter(map(str, labels))),
        _rounded(scores),
    )


def save(reference: Sample, model: Path) -> None:
    """Write the reference into the model's folder, so that it is copied with the model."""
    (model / FILE).write_text(json.dumps(asdict(reference), indent=1), encoding="utf-8")


def load(model: Path) -> Sample | None:
    """Return the model's reference, or None if the model was trained without one."""
    file = model / FILE
    return Sample(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
