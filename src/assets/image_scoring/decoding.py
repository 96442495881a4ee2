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
from PIL import ExifTags, Image, UnidentifiedImageError

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

DECODER = "2"  # 1: without orientation, alpha channel dropped, the upper 8 of 16 bits
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels
MAX_PIXELS = 64 * 2**20  # of one file as it is decoded, and of all files that are decoded at the same time
DRAFT_GAP = 2  # a JPEG is decoded at a reduced size that is at least so many times the size of the result

_TRANSPARENT = {"L": "LA", "LA": "LA", "La": "LA", "1": "LA"}
_ANIMATED = frozenset({"AVIF", "GIF", "PNG", "TIFF", "WEBP"})
_MAX_SAMPLE_VALUE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 281, 258, 262, 0  # TIFF 6.0
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FULL_SCALE = 65_535


class BrokenImageError(ValueError):
    """A file that cannot be read as an image. The same bytes always give the same message."""


class Picture(NamedTuple):
    """The pixels of a file (height, width, channels). `note` says what they may lack, and is mostly empty."""

    pixels: Pixels
    note: str = ""


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


def read_image(path: Path, height: int, width: int, channels: int) -> Picture:
    """Return the image as a uint8 array (height, width, channels), resized if its size differs.

    Raise BrokenImageError if the file is broken, and OSError if the storage cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BrokenImageError("the file is gone") from None
    return decode(data, height, width, channels)


def decode(data: bytes, height: int, width: int, channels: int) -> Picture:
    """Return the pixels of an encoded image, as a viewer shows them. The README says how.

    Raise BrokenImageError if the bytes cannot be read as an image of at most MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _read(image, (width, height), channels)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError("not an image" if data else "the file is empty") from None
    except Image.DecompressionBombError:
        raise BrokenImageError(f"the image has more than {MAX_PIXELS:,} pixels") from None
    # The bytes may be damaged or hostile, so every exception of the decoder means that this file is broken.
    except Exception as error:
        raise BrokenImageError(f"{type(error).__name__}: {error}") from error


def _read(image: Image.Image, size: tuple[int, int], channels: int) -> Picture:
    stored = image.width * image.height
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (DRAFT_GAP * max(size), DRAFT_GAP * max(size)))
    # libjpeg keeps all coefficients of a progressive JPEG in memory, at whatever size it is decoded.
    count = stored if image.info.get("progressive") else image.width * image.height
    if count > MAX_PIXELS:
        raise BrokenImageError(f"the image has {count:,} pixels; at most {MAX_PIXELS:,} are decoded")
    frames, deep = _frames(image), any(";16" in _raw_mode(tile) for tile in image.tile)
    with IN_FLIGHT.reserve(count):
        image.load()
        # Pillow turns a TIFF when it loads it, and then has no orientation of it any more.
        turn, unknown_turn = _turn(image)
        plain, few_bits = _in_8_bits(image, deep=deep)
        # The result is small, so resize first: turning and composing then need little memory.
        turned = turn in (5, 6, 7, 8)
        target = size[::-1] if turned else size
        small = plain if plain.size == target else plain.resize(target, Image.Resampling.BILINEAR)
    if turn in _ORIENTATIONS:
        small = small.transpose(_ORIENTATIONS[turn])
    if small.mode in ("LA", "RGBA"):
        colours = small.convert("RGBA")
        small = Image.alpha_composite(Image.new("RGBA", colours.size, (*BACKGROUND, 255)), colours)
        small = small.convert("RGB")
    small = small.convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(small, dtype=np.uint8).reshape(size[1], size[0], channels)
    return Picture(pixels, "; ".join(filter(None, (frames, unknown_turn, few_bits))))


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


def _in_8_bits(image: Image.Image, *, deep: bool) -> tuple[Image.Image, str]:
    """Return an image as L, RGB, LA or RGBA, and a note about bits that the file may leave unused."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return _from_16_bits(image)
    if image.mode in ("I", "F"):
        raise BrokenImageError(f"pixels of mode {image.mode} have no 8-bit meaning")
    few_bits = _few_bits_of_colours(image) if deep else ""
    if image.has_transparency_data:
        if isinstance(key := image.info.get("transparency"), tuple) and max(key) > 255:
            # A colour of 16 bits, and Pillow has kept the upper 8 bits of the pixels.
            image.info["transparency"] = tuple(value >> 8 for value in key)
        return image.convert(_TRANSPARENT.get(image.mode, "RGBA")), few_bits
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), few_bits


def _from_16_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """Scale grey values of 16 bits by the largest value that the file states, or else by 65,535."""
    values = np.asarray(image)
    stated, highest, note = _stated_maximum(image), int(values.max(initial=0)), ""
    if stated is None and 0 < highest < 2**14:
        note = _few_bits(highest.bit_length())
    elif stated and stated < highest:
        stated, note = None, "it has values above the largest value that it states, and is read as 16 bits"
    largest = stated or _FULL_SCALE
    scale = np.arange(_FULL_SCALE + 1, dtype=np.uint32) * 255 + largest // 2
    table = np.minimum(scale // largest, 255).astype(np.uint8)
    if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        table = 255 - table
    grey = Image.fromarray(table[values])
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey, note


def _stated_maximum(image: Image.Image) -> int | None:
    """Return the largest value that a file of 16 bits declares, or None if it declares none."""
    if image.format in ("JPEG2000", "PPM"):  # Pillow has scaled the values
        return _FULL_SCALE
    maximum = _tag(image, _MAX_SAMPLE_VALUE)
    if maximum and 0 < maximum <= _FULL_SCALE:
        return maximum
    bits = _tag(image, _BITS_PER_SAMPLE)
    return 2**bits - 1 if bits and bits < 16 else None


def _few_bits_of_colours(image: Image.Image) -> str:
    """Return a note if colours of 16 bits, of which Pillow has kept the upper 8, may have fewer bits.

    Raise BrokenImageError if the file says so, because too few bits are left to scale them.
    """
    maximum = _tag(image, _MAX_SAMPLE_VALUE)
    if maximum and maximum < 2**15:
        raise BrokenImageError(f"colours of 16 bits with the largest value {maximum} cannot be scaled")
    extrema = image.getextrema()
    bands = [band for band in extrema if isinstance(band, tuple)] or [extrema]
    highest = max(int(band[1]) for band in bands[:3])
    return _few_bits(highest.bit_length() + 8) if 0 < highest < 2**6 else ""


def _raw_mode(tile: Any) -> str:
    """Return the mode of the encoded pixels as Pillow writes it."""
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _few_bits(bits: int) -> str:
    return (
        f"its 16-bit values use at most {bits} bits, and it does not state its largest value: "
        "it is read as 16 bits, and may be too dark"
    )


def _tag(image: Image.Image, tag: int) -> int | None:
    """Return the first value of a TIFF tag, or None if the file has no such tag."""
    value = getattr(image, "tag_v2", {}).get(tag)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None
