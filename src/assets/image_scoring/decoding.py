"""The decoder that turns image files into uint8 tensors."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class BrokenImageError(ValueError):
    """A file that cannot be read as an image. The same bytes always give the same message."""


def read_image(path: Path, height: int, width: int, channels: int) -> Pixels:
    """Return the image as a uint8 array (height, width, channels), resized if its size differs.

    Raise BrokenImageError if the file is broken, and OSError if the storage cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BrokenImageError("the file is gone") from None
    try:
        return decode(data, height, width, channels)
    except UnidentifiedImageError:
        raise BrokenImageError("not an image" if data else "the file is empty") from None
    # The bytes may be damaged or hostile, so every exception of the decoder means that this file is broken.
    except Exception as error:
        raise BrokenImageError(f"{type(error).__name__}: {error}") from error


def decode(data: bytes, height: int, width: int, channels: int) -> Pixels:
    """Return the pixels of an encoded image.

    An alpha channel is dropped. Values of 16 bits are reduced to their upper 8 bits.
    """
    with Image.open(io.BytesIO(data)) as image:
        if image.mode in ("I", "F"):
            raise ValueError(f"pixels of mode {image.mode} have no 8-bit meaning")
        if image.mode.startswith("I;16"):
            # Pillow's own conversion clips 16-bit values at 255.
            pixels: Image.Image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        else:
            pixels = image
        pixels = pixels.convert("L" if channels == 1 else "RGB")
        if pixels.size != (width, height):
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(pixels, dtype=np.uint8).reshape(height, width, channels)
