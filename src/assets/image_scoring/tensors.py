"""Pixels as the numbers that a model takes: its type, its order and its scale."""

from functools import lru_cache
from typing import Any

import numpy as np
from image_input import ImageInput

Array = np.ndarray[Any, Any]


def to_tensor(pixels: Array, given: ImageInput) -> Array:
    """Return uint8 images (n, height, width, channels) as the tensor of a batch."""
    if given.bgr:
        pixels = pixels[..., ::-1]
    numbers = pixels if given.dtype == "uint8" else _numbers(pixels, given)
    if given.layout == "NCHW" and numbers is pixels:
        numbers = pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(numbers.reshape(len(numbers), -1) if given.flat else numbers)


def _numbers(pixels: Array, given: ImageInput) -> Array:
    """Return the number of each pixel, in the model's order.

    A pixel has 256 values only, so a table has the number of each. That is exact and needs no copies of large
    arrays.
    """
    table = _table(given)
    count, height, width, channels = pixels.shape
    first = given.layout == "NCHW"
    shape = (count, channels, height, width) if first else pixels.shape
    numbers = np.empty(shape, table.dtype)
    for channel in range(channels):
        target = numbers[:, channel] if first else numbers[..., channel]
        target[...] = table[channel][pixels[..., channel]]
    return numbers


@lru_cache(maxsize=8)
def _table(given: ImageInput) -> Array:
    """Return the number of each value of a pixel (channels, 256), computed as torchvision does."""
    kind = np.float64 if given.dtype == "float64" else np.float32
    values = np.arange(256, dtype=kind) * kind(given.scale.numerator) / kind(given.scale.denominator)
    table = np.tile(values, (given.frame.channels, 1))
    if given.mean:
        table -= np.array(given.mean, kind)[:, None]
    if given.std:
        table /= np.array(given.std, kind)[:, None]
    return table.astype(given.dtype)
