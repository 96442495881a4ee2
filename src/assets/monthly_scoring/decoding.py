"""Image files as uint8 tensors."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class BrokenImageError(ValueError):
    """The file cannot be read as an image. The same bytes always lead to the same message."""


def read_image(path: Path, height: int, width: int, channels: int) -> Pixels:
    """Return the image as uint8 (height, width, channels), resized if its size differs.

    Raise BrokenImageError if the file is broken, and OSError if the storage fails.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BrokenImageError("the file is gone") from None
    try:
        return decode(data, height, width, channels)
    except UnidentifiedImageError:
        raise BrokenImageError("not an image" if data else "the file is empty") from None
    # A decoder meets hostile bytes here: whatever it raises is a property of this one file.
    except Exception as error:
        raise BrokenImageError(f"{type(error).__name__}: {error}") from error


def decode(data: bytes, height: int, width: int, channels: int) -> Pixels:
    """Return the pixels of encoded image bytes, without an alpha channel and with the upper 8 of 16 bits."""
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
