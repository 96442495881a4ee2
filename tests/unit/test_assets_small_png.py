"""Tiny PNG files have the same pixels as Pillow reads, and everything unusual is left to Pillow."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from image_input import Frame
from PIL import Image, PngImagePlugin
from small_png import read_small_png

RANDOM = np.random.default_rng(0)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    lines: list[bytes], width: int, colour: int = 0, *, bits: int = 8, interlace: int = 0, more: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", width, len(lines), bits, colour, 0, 0, interlace)
    parts = (
        chunk(b"IHDR", header),
        more,
        chunk(b"IDAT", zlib.compress(b"".join(lines))),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kinds", [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0]])
def test_each_filter_gives_the_pixels_that_pillow_reads(channels: int, kinds: list[int]) -> None:
    lines = [bytes([kinds[row % len(kinds)], *RANDOM.integers(0, 256, 7 * channels)]) for row in range(9)]
    data = png(lines, 7, 0 if channels == 1 else 2)

    pixels = read_small_png(data, Frame(9, 7, channels))

    assert pixels is not None
    assert (pixels.squeeze() == np.asarray(Image.open(io.BytesIO(data)))).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_files_that_pillow_writes_are_read(mode: str) -> None:
    image = Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)).convert(mode)

    pixels = read_small_png(encoded(image), Frame(8, 8, len(image.getbands())))

    assert pixels is not None
    assert (pixels.squeeze() == np.asarray(image)).all()


GREY = encoded(Image.new("L", (8, 8), 200))
LINE = bytes(9)
TEXT = PngImagePlugin.PngInfo()
TEXT.add_text("Author", "nobody")
UNUSUAL = {
    "empty": b"",
    "another format": b"GIF89a" + bytes(100),
    "another size": encoded(Image.new("L", (8, 9))),
    "colours": encoded(Image.new("RGB", (8, 8))),
    "palette": encoded(Image.new("P", (8, 8))),
    "alpha": encoded(Image.new("LA", (8, 8))),
    "16 bits": encoded(Image.fromarray(np.zeros((8, 8), dtype=np.uint16))),
    "transparent colour": encoded(Image.new("L", (8, 8)), transparency=0),
    "orientation": encoded(Image.new("L", (8, 8)), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "text": encoded(Image.new("L", (8, 8)), pnginfo=TEXT),
    "interlaced": png([LINE] * 8, 8, interlace=1),
    "unknown filter": png([b"\x05" + LINE[1:]] * 8, 8),
    "too few lines": png([LINE] * 7, 8).replace(struct.pack(">II", 8, 7), struct.pack(">II", 8, 8)),
    "too many pixels": png([LINE] * 9, 8).replace(struct.pack(">II", 8, 9), struct.pack(">II", 8, 8)),
    "wrong checksum": GREY[:50] + bytes([GREY[50] ^ 1]) + GREY[51:],
    "cut off": GREY[:-12],
}


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL)
def test_everything_unusual_is_left_to_pillow(data: bytes) -> None:
    assert read_small_png(GREY, Frame(8, 8, 1)) is not None
    assert read_small_png(data, Frame(8, 8, 1)) is None
