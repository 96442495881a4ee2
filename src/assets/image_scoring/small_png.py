"""Tiny PNG files, read without Pillow, which takes ten times as long to open one as to decode it.

Whatever is not the plain form of a whole file (see `read_small_png`) is left to Pillow, which also decides
what is broken.
"""

import struct
import zlib
from typing import Any

import numpy as np
from image_input import Frame

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 1_024  # of pixels: more are decoded faster by Pillow
SHORTEST = 57  # bytes of a file with the three chunks
GREY, RGB = 0, 2  # types of colour in the header


def read_small_png(data: bytes, frame: Frame) -> "np.ndarray[Any, np.dtype[np.uint8]] | None":
    """Return the pixels of a PNG file that has the size of the frame, or None if Pillow must read it.

    It must have 8 bits, grey or RGB as the frame has, no interlacing, and no chunks but IHDR, IDAT and IEND.
    """
    if not _fits(data, frame) or (packed := _image_data(data)) is None:
        return None
    line = frame.width * frame.channels
    length = frame.height * (line + 1)
    unpacker = zlib.decompressobj()
    try:
        filtered = unpacker.decompress(packed, length + 1)
    except zlib.error:
        return None
    whole = len(filtered) == length and unpacker.eof
    pixels = _without_filters(filtered, frame.height, line, frame.channels) if whole else None
    if pixels is None:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(frame.height, frame.width, frame.channels)


def _fits(data: bytes, frame: Frame) -> bool:
    size = frame.height * frame.width * frame.channels
    if (
        size > MOST_BYTES
        or frame.resize is not None
        or not data.startswith(SIGNATURE)
        or len(data) < SHORTEST
    ):
        return False
    if frame.grey and frame.channels > 1:
        return False
    header = (frame.width, frame.height, 8, GREY if frame.channels == 1 else RGB, 0, 0, 0)
    return struct.unpack_from(">IIBBBBB", data, 16) == header


def _image_data(data: bytes) -> bytes | None:
    """Return the compressed pixels, or None if a chunk is damaged or of another kind."""
    place, packed = 8, b""
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data) or zlib.crc32(data[place + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            return None
        if kind == b"IDAT":
            packed += data[place + 8 : end]
        elif kind == b"IEND":
            return packed
        elif kind != b"IHDR" or place != 8 or length != 13:
            return None
        place = end + 4
    return None


def _without_filters(filtered: bytes, height: int, line: int, step: int) -> bytes | None:
    """Undo the filter of each line: https://www.w3.org/TR/png-3/#9Filters. Return None for unknown ones."""
    lines = bytearray()
    above = bytes(line)
    for start in range(0, height * (line + 1), line + 1):
        row = bytearray(filtered[start + 1 : start + 1 + line])
        match filtered[start]:
            case 0:
                pass
            case 1:
                for place in range(step, line):
                    row[place] = (row[place] + row[place - step]) & 255
            case 2:
                row = bytearray((value + up) & 255 for value, up in zip(row, above, strict=True))
            case 3:
                for place in range(line):
                    left = row[place - step] if place >= step else 0
                    row[place] = (row[place] + ((left + above[place]) >> 1)) & 255
            case 4:
                _undo_paeth(row, above, step)
            case _:
                return None
        lines += row
        above = bytes(row)
    return bytes(lines)


def _undo_paeth(row: bytearray, above: bytes, step: int) -> None:
    for place, up in enumerate(above):
        left, corner = (row[place - step], above[place - step]) if place >= step else (0, 0)
        to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
        nearest = left if to_left <= to_up and to_left <= to_corner else up if to_up <= to_corner else corner
        row[place] = (row[place] + nearest) & 255
