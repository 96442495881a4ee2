"""The demo's real images: the UCI handwritten digits that ship with scikit-learn, as PNG files.

A digit always has the same use: it trains models, belongs to the holdout, or arrives in a month. File names
contain no label.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

TRAINING, HOLDOUT = 1_000, 297  # the remaining 500 digits arrive in months
TRAINING_DATA, HOLDOUT_DATA = "digits-training:1", "digits-holdout:1"
NIGHT_OF_HOLDOUT = 3  # every third image of the holdout is made dark, with the light DARK
Damage = Literal["truncated", "empty", "garbage"]


class Light(TypedDict):
    """The light of images.

    A `brightness` under 1 is darker. `noise` is a standard deviation in grey levels.
    """

    brightness: float
    noise: float


DAY = Light(brightness=1.0, noise=0.0)
# The first model reads two of three dark digits. A model that was trained on dark digits reads nine of ten.
DARK = Light(brightness=0.1, noise=4.0)


@dataclass(frozen=True)
class Digit:
    """One image file, and its true label."""

    name: str
    png: bytes
    label: str


@cache
def _all_digits() -> tuple[Pixels, np.ndarray[Any, Any]]:
    # The data file is read directly, because importing scikit-learn takes seconds.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the digits come with scikit-learn, which is not installed")
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    table = np.random.default_rng(seed=0).permutation(table)
    pixels = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return pixels, table[:, -1].astype(int).astype(str)


def training_set() -> tuple[Pixels, np.ndarray[Any, Any]]:
    """Return images (n, 8, 8, 1) and labels to train on."""
    pixels, labels = _all_digits()
    return pixels[:TRAINING], labels[:TRAINING]


def holdout_set() -> tuple[Pixels, np.ndarray[Any, Any]]:
    """Return images and labels to judge models. No model is trained on them, and they arrive in no month."""
    pixels, labels = _all_digits()
    return pixels[TRAINING : TRAINING + HOLDOUT], labels[TRAINING : TRAINING + HOLDOUT]


def holdout_lights() -> list[str]:
    """Return the slice of each holdout image: `day`, or `night` if `lit_holdout` makes the image dark."""
    return ["day" if number % NIGHT_OF_HOLDOUT else "night" for number in range(HOLDOUT)]


def lit_holdout() -> Pixels:
    """Return the images of the holdout. The images of the slice `night` are made dark."""
    pixels, _ = holdout_set()
    night = np.array([light == "night" for light in holdout_lights()])
    return np.where(night[:, None, None, None], _lit(pixels, np.random.default_rng(0), **DARK), pixels)


def month(name: str, count: int = 100, *, brightness: float = 1.0, noise: float = 0.0) -> list[Digit]:
    """Return the digits that arrive in a month such as "202611". Each call returns the same digits."""
    pixels, labels = _all_digits()
    random = np.random.default_rng(seed=int(name))
    chosen = random.choice(np.arange(TRAINING + HOLDOUT, len(labels)), size=count, replace=False)
    images = _lit(pixels[chosen], random, brightness, noise)
    return [
        Digit(f"digit-{number:04}.png", as_png(image), str(label))
        for number, (image, label) in enumerate(zip(images, labels[chosen], strict=True))
    ]


def _lit(pixels: Pixels, random: np.random.Generator, brightness: float, noise: float) -> Pixels:
    arriving = pixels * brightness + random.normal(scale=noise, size=pixels.shape)
    return np.clip(np.round(arriving), 0, 255).astype(np.uint8)


def as_png(pixels: Pixels) -> bytes:
    """Return a grey image (height, width, 1) as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(buffer, format="PNG")
    return buffer.getvalue()


def damaged(png: bytes, how: Damage) -> bytes:
    """Return the file as after a broken upload: cut off, empty, or full of zeros."""
    return {"truncated": png[: len(png) // 2], "empty": b"", "garbage": b"\x00" * len(png)}[how]


def write(digits: Iterable[Digit], folder: Path) -> None:
    """Write the files of a month into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for digit in digits:
        (folder / digit.name).write_bytes(digit.png)


def labels_csv(digits: Iterable[Digit]) -> str:
    """Return the text of labels.csv, which is stored beside the month's images."""
    return "img,label\n" + "".join(f"{digit.name},{digit.label}\n" for digit in digits)


def accuracy(predictions: Iterable[Mapping[str, str]], digits: Sequence[Digit]) -> float:
    """Return the share of rows of predictions.csv whose label is right.

    Rows with an error, and rows of images that are not among `digits`, do not count.
    """
    known = {digit.name: digit.label for digit in digits}
    hits = [
        row["label"] == known[row["img"]] for row in predictions if not row["error"] and row["img"] in known
    ]
    return sum(hits) / len(hits) if hits else 0.0
