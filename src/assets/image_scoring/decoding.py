"""The decoder that turns image files into uint8 tensors. Training, evaluation, scoring and drift share it.

A change of the pixels that it returns needs a new DECODER: the tag `tidegate_decoder` of each pipeline has
the same value.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

import numpy as np
from deep_pixels import EightBits, colours_in_8_bits, grey_in_8_bits, is_deep, stated_by
from framing import cut_out, resized_size
from image_input import Frame
from PIL import ExifTags, Image, UnidentifiedImageError
from small_png import read_small_png

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# 1: without orientation, alpha channel dropped, the upper 8 of 16 bits
# 2: colours of 16 bits always by their upper 8 bits, and the chunk sBIT of PNG not read
DECODER = "3"
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels
MAX_PIXELS = 64 * 2**20  # of one file as it is decoded, and of all files that are decoded at the same time
DRAFT_GAP = 2  # a JPEG is decoded at a reduced size that is at least so many times the size of the result

_TRANSPARENT = {"L": "LA", "LA": "LA", "La": "LA", "1": "LA"}
_ANIMATED = frozenset({"AVIF", "GIF", "PNG", "TIFF", "WEBP"})
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BrokenImageError(ValueError):
    """A file that cannot be read as an image. The same bytes always give the same message."""


class Picture(NamedTuple):
    """The pixels of a file (height, width, channels). `note` says what they may lack, and is mostly empty.

    `size` is the width and the height of the whole picture, as a viewer shows it.
    """

    pixels: Pixels
    note: str = ""
    size: tuple[int, int] = (0, 0)


class PixelBudget:
    """A limit of the pixels that all threads of a process decode at the same time."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self._changed = Condition()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Wait until so many pixels are left. An image above the limit is decoded alone."""
        share = min(pixels, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= share)
            self._left -= share
        try:
            yield
        finally:
            with self._changed:
                self._left += share
                self._changed.notify_all()


IN_FLIGHT = PixelBudget(MAX_PIXELS)


def read_image(path: Path, frame: Frame) -> Picture:
    """Return the image as a uint8 array (height, width, channels), fitted to the frame.

    Raise BrokenImageError if the file is broken, and OSError if the storage cannot be read.
    """
    return decode(read_bytes(path), frame)


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file. Raise BrokenImageError if it is gone."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path costs a fifth of a tiny picture
            return file.readall()
    except FileNotFoundError:
        raise BrokenImageError("the file is gone") from None


def decode(data: bytes, frame: Frame) -> Picture:
    """Return the pixels of an encoded image as a viewer shows them, fitted to the frame.

    The README says how.

    Raise BrokenImageError if the bytes cannot be read as an image of at most MAX_PIXELS.
    """
    if (tiny := read_small_png(data, frame)) is not None:
        return Picture(tiny, size=(frame.width, frame.height))
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _read(image, data, frame)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError("not an image" if data else "the file is empty") from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"the image has more than {MAX_PIXELS:,} pixels") from None
    # The bytes may be damaged or hostile, so every exception of the decoder means that this file is broken.
    except Exception as error:
        raise BrokenImageError(f"{type(error).__name__}: {error}") from error


def _read(image: Image.Image, data: bytes, frame: Frame) -> Picture:
    whole = image.size
    stored = image.width * image.height
    if image.format in ("JPEG", "MPO"):
        _draft(image, frame)
    # libjpeg keeps all coefficients of a progressive JPEG in memory, at whatever size it is decoded.
    count = stored if image.info.get("progressive") else image.width * image.height
    if count > MAX_PIXELS:
        raise BrokenImageError(f"the image has {count:,} pixels; at most {MAX_PIXELS:,} are decoded")
    frames, deep = _frames(image), is_deep(image)
    # Values of 16 bits, and those that are scaled, need twice the memory.
    with IN_FLIGHT.reserve(2 * count if deep else count):
        image.load()
        # Pillow turns a TIFF when it loads it, and then has no orientation of it any more.
        turn, unknown_turn = _turn(image)
        plain, few_bits = _in_8_bits(image, data, deep=deep)
        # The result is small, so resize first: turning and composing then need little memory.
        turned = turn in (5, 6, 7, 8)
        size = resized_size(plain.size[::-1] if turned else plain.size, frame)
        if size[0] * size[1] > MAX_PIXELS:
            raise BrokenImageError(f"resized it has {size[0]} x {size[1]} pixels; at most {MAX_PIXELS:,} fit")
        target = size[::-1] if turned else size
        method = Image.Resampling[frame.interpolation.upper()]
        small = plain if plain.size == target else plain.resize(target, method)
    if turn in _ORIENTATIONS:
        small = small.transpose(_ORIENTATIONS[turn])
    if frame.crop:
        small = cut_out(small, (frame.width, frame.height))
    if small.mode in ("LA", "RGBA"):
        colours = small.convert("RGBA")
        small = Image.alpha_composite(Image.new("RGBA", colours.size, (*BACKGROUND, 255)), colours)
        small = small.convert("RGB")
    if frame.grey:
        small = small.convert("L")
    small = small.convert("L" if frame.channels == 1 else "RGB")
    pixels = np.asarray(small, dtype=np.uint8).reshape(frame.height, frame.width, frame.channels)
    note = "; ".join(filter(None, (frames, unknown_turn, few_bits)))
    return Picture(pixels, note, whole[::-1] if turned else whole)


def _draft(image: Image.Image, frame: Frame) -> None:
    """Let a JPEG be decoded at a reduced size, if it is much larger than what is needed of it."""
    width, height = resized_size(image.size, frame)
    if not isinstance(frame.resize, int):
        # The file may be turned, which is not known yet.
        width = height = max(width, height)
    image.draft(None, (DRAFT_GAP * width, DRAFT_GAP * height))


def _frames(image: Image.Image) -> str:
    """Return a note about the images that a file has besides its first one."""
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        image.seek(0)
        return "only the first of several images in the file is scored"
    return ""


def _turn(image: Image.Image) -> tuple[int, str]:
    """Return the EXIF orientation (1 to 8) of a loaded image, and a note if it cannot be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1)), ""
    except Exception:  # noqa: BLE001  damaged EXIF data: Pillow raises many kinds of exceptions
        return 1, "its EXIF data cannot be read, so its orientation is not known"


def _in_8_bits(image: Image.Image, data: bytes, *, deep: bool) -> EightBits:
    """Return an image as L, RGB, LA or RGBA, and a note about bits that the file may leave unused."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return grey_in_8_bits(image, stated_by(image, data))
    if image.mode in ("I", "F"):
        raise BrokenImageError(f"pixels of mode {image.mode} have no 8-bit meaning")
    few_bits = ""
    if deep:
        stated = stated_by(image, data)
        image, few_bits = colours_in_8_bits(image, stated, lambda: Image.open(io.BytesIO(data)))
    if image.has_transparency_data:
        if isinstance(key := image.info.get("transparency"), tuple) and max(key) > 255:
            # A colour of 16 bits, and Pillow has kept the upper 8 bits of the pixels.
            image.info["transparency"] = tuple(value >> 8 for value in key)
        return EightBits(image.convert(_TRANSPARENT.get(image.mode, "RGBA")), few_bits)
    return EightBits(image.convert("L" if image.mode in ("1", "L") else "RGB"), few_bits)
