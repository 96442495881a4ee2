"""The demo's real images: the UCI handwritten digits that ship with scikit-learn, as PNG files.

Which digits train, which are held out and which arrive in a month is fixed. No file name tells a label.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

TRAINING, HOLDOUT = 1_000, 297  # the other 500 digits arrive in months
Damage = Literal["truncated", "empty", "garbage"]


@dataclass(frozen=True)
class Digit:
    """One image file, and the digit that a person wrote in it."""

    name: str
    png: bytes
    label: str


@cache
def _all_digits() -> tuple[Pixels, np.ndarray[Any, Any]]:
    # Read as the file that it is: importing scikit-learn takes seconds, and the demo needs no more of it.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the digits come with scikit-learn, which is not installed")
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    table = np.random.default_rng(seed=0).permutation(table)
    pixels = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return pixels, table[:, -1].astype(int).astype(str)


def training_set() -> tuple[Pixels, np.ndarray[Any, Any]]:
    """Images (n, 8, 8, 1) and labels to train on."""
    pixels, labels = _all_digits()
    return pixels[:TRAINING], labels[:TRAINING]


def holdout_set() -> tuple[Pixels, np.ndarray[Any, Any]]:
    """Images and labels to judge models on, which neither train nor arrive."""
    pixels, labels = _all_digits()
    return pixels[TRAINING : TRAINING + HOLDOUT], labels[TRAINING : TRAINING + HOLDOUT]


def month(name: str, count: int = 100, *, brightness: float = 1.0, noise: float = 0.0) -> list[Digit]:
    """The digits that arrive in a month such as "202611"; the same ones whenever asked.

    `brightness` below 1 darkens them; `noise` is the standard deviation of what is added, in grey levels.
    """
    pixels, labels = _all_digits()
    random = np.random.default_rng(seed=int(name))
    chosen = random.choice(np.arange(TRAINING + HOLDOUT, len(labels)), size=count, replace=False)
    arriving = pixels[chosen] * brightness + random.normal(scale=noise, size=pixels[chosen].shape)
    images = np.clip(np.round(arriving), 0, 255).astype(np.uint8)
    return [
        Digit(f"digit-{number:04}.png", as_png(image), str(label))
        for number, (image, label) in enumerate(zip(images, labels[chosen], strict=True))
    ]


def as_png(pixels: Pixels) -> bytes:
    """A grey image (height, width, 1) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(buffer, format="PNG")
    return buffer.getvalue()


def damaged(png: bytes, how: Damage) -> bytes:
    """The file as a broken upload leaves it."""
    return {"truncated": png[: len(png) // 2], "empty": b"", "garbage": b"\x00" * len(png)}[how]


def write(digits: Iterable[Digit], folder: Path) -> None:
    """The files of a month into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for digit in digits:
        (folder / digit.name).write_bytes(digit.png)


def accuracy(predictions: Iterable[Mapping[str, str]], digits: Sequence[Digit]) -> float:
    """The share of rows (of predictions.csv, errors aside) whose label is the known one."""
    known = {digit.name: digit.label for digit in digits}
    hits = [row["label"] == known[row["img"]] for row in predictions if not row["error"]]
    return sum(hits) / len(hits) if hits else 0.0
