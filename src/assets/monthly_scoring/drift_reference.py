"""What a model was trained on, kept beside it: features of images, and its answers on some it did not see."""

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
    """Images as drift sees them; `data`: where from. `scores`: empty where a model gives none."""

    data: str
    features: Mapping[str, Sequence[float]]
    labels: Mapping[str, int]
    scores: Sequence[float]

    @property
    def n(self) -> int:
        return len(next(iter(self.features.values()), ()))


def sampled(count: int) -> list[int]:
    """Indices of at most SAMPLE of `count` things, in order; the same whenever asked."""
    random = np.random.default_rng(0)
    return sorted(random.choice(count, size=min(count, SAMPLE), replace=False).tolist())


def sample(data: str, pixels: Array, labels: Sequence[str], scores: Sequence[float]) -> Sample:
    """A sample of images (n, height, width, channels), and the labels and scores that a model gave.

    At training the answers are those on images that the model did not learn from: it is surer of those that
    it did.
    """
    return Sample(
        data,
        {name: _rounded(values) for name, values in features(pixels[sampled(len(pixels))]).items()},
        dict(Counter(map(str, labels))),
        _rounded(scores),
    )


def save(reference: Sample, model: Path) -> None:
    """Into the model's folder, so that it goes wherever the model goes."""
    (model / FILE).write_text(json.dumps(asdict(reference), indent=1), encoding="utf-8")


def load(model: Path) -> Sample | None:
    """None where the model was trained without one."""
    file = model / FILE
    return Sample(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
