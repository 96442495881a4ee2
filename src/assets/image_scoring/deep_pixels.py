"""Pixels of more than 8 bits: scaled to 8 bits by the largest value that the file states, or else noted.

Cameras store 10, 12 or 14 bits in 16, with or without stating it.
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

FULL_SCALE = 65_535
# Tags of TIFF 6.0. MaxSampleValue is a statistic of the values, SMaxSampleValue its form for any type.
_MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE, _BITS_PER_SAMPLE = 281, 341, 258
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ABOVE = "it has values above the largest value that it states, and is read as 16 bits"
# The raw mode that keeps the other byte of each value. Pillow keeps only one byte of a colour of 16 bits.
_OTHER_BYTE = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B",  # N is the order of this machine, which is L on all that Azure has
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B",
}

Values = np.ndarray[Any, np.dtype[np.uint16]]
Opening = Callable[[], Image.Image]


class Stated(NamedTuple):
    """The largest value that a file states. `bits` is set if it states only how many bits are significant."""

    maximum: int
    bits: int | None = None


class EightBits(NamedTuple):
    """An image with 8 bits for each value, and a note about bits that the file may leave unused."""

    image: Image.Image
    note: str = ""


def is_deep(image: Image.Image) -> bool:
    """Return whether an image that is not loaded yet has values of 16 bits in its file."""
    return any(";16" in _raw_mode(tile) for tile in image.tile)


def stated_by(image: Image.Image, data: bytes) -> Stated | None:
    """Return the largest value that a file of 16 bits states, or None if it states none."""
    if image.format in ("JPEG2000", "PPM"):  # Pillow has scaled the values
        return Stated(FULL_SCALE)
    for tag in (_MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE):
        maximum = max(_tags(image, tag), default=0)
        if 0 < maximum <= FULL_SCALE:
            return Stated(maximum)
    if (bits := max(_tags(image, _BITS_PER_SAMPLE), default=16)) < 16:
        return Stated(2**bits - 1)
    if (bits := _significant_bits(data)) and bits < 16:
        return Stated(2**bits - 1, bits)
    return None


def grey_in_8_bits(image: Image.Image, stated: Stated | None) -> EightBits:
    """Scale grey values of 16 bits, as L or LA."""
    values = np.asarray(image).astype(np.uint16)
    maximum, note = _scale_of([values], stated)
    table = _table(maximum)
    if _WHITE_IS_ZERO in _tags(image, _PHOTOMETRIC):
        table = 255 - table
    grey = Image.fromarray(table[values])
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return EightBits(grey, note)


def colours_in_8_bits(image: Image.Image, stated: Stated | None, opened_again: Opening) -> EightBits:
    """Scale colours of 16 bits, of which Pillow has kept the upper 8, as RGB or RGBA.

    `opened_again` returns the image once more, not loaded: the lower 8 bits are read if the file states a
    largest value.
    """
    if stated is None or stated.maximum >= FULL_SCALE:
        return EightBits(image, "" if stated else _note_of_upper_bits(image))
    if (low := _low_bytes(opened_again())) is None:
        return EightBits(image, _unread(stated))
    bands = [_joined(image, low, band) for band in range(3)]
    maximum, note = _scale_of(bands, stated)
    table, key = _table(maximum), image.info.get("transparency")
    scaled = [Image.fromarray(table[band]) for band in bands]
    if "A" in image.getbands():
        scaled.append(image.getchannel("A"))
    elif isinstance(key, tuple):
        matches = np.logical_and.reduce([band == value for band, value in zip(bands, key, strict=True)])
        scaled.append(Image.fromarray(np.where(matches, 0, 255).astype(np.uint8)))
    return EightBits(Image.merge("RGBA" if len(scaled) == 4 else "RGB", scaled), note)


def _scale_of(bands: list[Values], stated: Stated | None) -> tuple[int, str]:
    """Return the value that becomes 255, and a note if the file does not state it, or states a wrong one."""
    highest = max(int(band.max(initial=0)) for band in bands)
    if stated is None:
        return FULL_SCALE, _few_bits(highest.bit_length()) if 0 < highest < 2**14 else ""
    if stated.bits and _fill_16_bits(bands, stated.bits, highest):
        return FULL_SCALE, ""
    return (FULL_SCALE, _ABOVE) if stated.maximum < highest else (stated.maximum, "")


def _fill_16_bits(bands: list[Values], bits: int, highest: int) -> bool:
    """Return whether the values are scaled to 16 bits already, as the PNG standard asks.

    It lets `bits` significant bits be moved to the upper end. Cameras also write them at the lower end, with
    the same chunk. https://www.w3.org/TR/png-3/#11sBIT
    """
    if highest >= 2**bits:
        return True
    below, values = 16 - bits, np.concatenate([band.ravel() for band in bands])
    upper = values >> below
    repeated = upper << below | upper >> max(bits - below, 0)
    return bool((values == upper << below).all() or (values == repeated).all())


def _table(maximum: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the 8-bit value for each of 16 bits."""
    scale = np.arange(FULL_SCALE + 1, dtype=np.uint32) * 255 + maximum // 2
    return np.minimum(scale // maximum, 255).astype(np.uint8)


def _low_bytes(image: Image.Image) -> Image.Image | None:
    """Return the lower 8 bits of the colours, or None if Pillow cannot read them."""
    tiles = []
    for tile in image.tile:
        arguments = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        other = _OTHER_BYTE.get(str(arguments[0]))
        if other is None:
            return None
        changed = (other, *arguments[1:])
        tiles.append(tile._replace(args=changed if isinstance(tile.args, tuple) else other))
    image.tile = tiles
    image.load()
    return image


def _joined(image: Image.Image, low: Image.Image, band: int) -> Values:
    upper = np.asarray(image.getchannel(band), dtype=np.uint16) << 8
    joined: Values = upper | np.asarray(low.getchannel(band))
    return joined


def _note_of_upper_bits(image: Image.Image) -> str:
    """Return a note if colours, of which the upper 8 of 16 bits are left, may have fewer bits."""
    extrema = image.getextrema()
    bands = [band for band in extrema if isinstance(band, tuple)] or [extrema]
    highest = max(int(band[1]) for band in bands[:3])
    return _few_bits(highest.bit_length() + 8) if 0 < highest < 2**6 else ""


def _few_bits(bits: int) -> str:
    return (
        f"its 16-bit values use at most {bits} bits, and it does not state its largest value: "
        "it is read as 16 bits, and may be too dark"
    )


def _unread(stated: Stated) -> str:
    return (
        f"it states {stated.maximum} as the largest of its 16-bit values, which cannot be scaled in this "
        "form: it is read as 16 bits, and may be too dark"
    )


def _significant_bits(png: bytes) -> int | None:
    """Return the greatest number in the chunk sBIT of a PNG, or None if there is none."""
    if not png.startswith(_PNG_SIGNATURE):
        return None
    stream = io.BytesIO(png)
    stream.seek(len(_PNG_SIGNATURE))
    while len(head := stream.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"sBIT":
            return max(stream.read(min(length, 4)), default=None)
        stream.seek(length + 4, io.SEEK_CUR)
    return None


def _raw_mode(tile: Any) -> str:
    """Return the mode of the encoded pixels as Pillow writes it."""
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _tags(image: Image.Image, tag: int) -> list[int]:
    """Return the whole numbers of a TIFF tag, or an empty list if the file has no such tag."""
    value = getattr(image, "tag_v2", {}).get(tag)
    values = value if isinstance(value, tuple) else (value,)
    return [number for number in values if isinstance(number, int)]
