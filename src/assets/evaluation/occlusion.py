"""Which parts of an image a model's answer depends on: the probability of the true label with a part covered.

The images that the model got most wrong are shown, because people ask why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SHOWN_IMAGES = 4
CELLS = 6  # along each side
GREY = 128


@dataclass(frozen=True)
class Occlusion:
    """An image with its true label, the probability of this label, and how much each part adds to it.

    `influence` (rows, columns) is the probability minus that with the part covered in grey. Parts that speak
    for another label are negative.
    """

    name: str
    label: str
    probability: float
    pixels: Array
    influence: Array


def most_wrong(of_truth: Sequence[float], count: int = SHOWN_IMAGES) -> list[int]:
    """Return the places of the images whose true label has the lowest probability, lowest first."""
    return np.argsort(np.array(of_truth), kind="stable")[:count].tolist()


def occlude(pixels: Array, probability: Callable[[Array], Array]) -> tuple[float, Array]:
    """Return the probability of an image (height, width, channels), and the influence of each of its parts.

    `probability` returns the probability of the true label for images (n, height, width, channels).
    """
    height, width = pixels.shape[:2]
    rows = np.unique(np.linspace(0, height, CELLS + 1).round().astype(int))
    columns = np.unique(np.linspace(0, width, CELLS + 1).round().astype(int))
    covered = [pixels]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            image = pixels.copy()
            image[top:bottom, left:right] = GREY
            covered.append(image)
    values = np.asarray(probability(np.stack(covered)), dtype=np.float64)
    return float(values[0]), (values[0] - values[1:]).reshape(len(rows) - 1, len(columns) - 1)
