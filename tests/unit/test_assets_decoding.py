"""The decoder: pixels as a viewer shows them, and what it refuses or notes."""

import io
import struct
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from decoding import DECODER, MAX_PIXELS, BrokenImageError, PixelBudget, decode
from image_input import Frame
from PIL import Image
from ruamel.yaml import YAML

from tidegate.installation.asset_files import AssetFiles

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def quarters() -> Image.Image:
    """Red and green above blue and white."""
    image = Image.new("RGB", (32, 32))
    for corner, colour in zip([(0, 0), (16, 0), (0, 16), (16, 16)], (RED, GREEN, BLUE, WHITE), strict=True):
        image.paste(colour, (*corner, corner[0] + 16, corner[1] + 16))
    return image


def deep(values: Any, format: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.fromarray(np.asarray(values, dtype=np.uint16)), format, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_png(side: int) -> bytes:
    """A square of black pixels with one bit each, in some kilobytes."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(b"\0" * (1 + (side + 7) // 8)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("pipeline", ["image_scoring", "evaluation", "retraining"])
def test_each_pipeline_has_the_decoders_version_as_its_tag(pipeline: str) -> None:
    component = YAML(typ="safe").load(AssetFiles().pipeline(pipeline).read_text())

    assert component["tags"]["tidegate_decoder"] == DECODER


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", list(STORED))
def test_an_image_is_turned_as_its_exif_orientation_says(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = STORED[orientation]
    image = quarters().transpose(stored) if stored is not None else quarters()
    data = encoded(image, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))

    pixels, note, _ = decode(data, Frame(32, 32, 3))

    corners = [pixels[8, 8], pixels[8, 24], pixels[24, 8], pixels[24, 24]]
    assert np.allclose(corners, [RED, GREEN, BLUE, WHITE], atol=12)
    assert note == ""


def test_the_sides_of_the_result_are_those_after_the_turn() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.new("RGB", (400, 100), RED)
    wide.paste(BLUE, (200, 0, 400, 100))  # stored left to right, and shown from top to bottom

    pixels = decode(encoded(wide, exif=exif), Frame(40, 10, 3)).pixels

    assert pixels.shape == (40, 10, 3)
    assert (pixels[5, 5].tolist(), pixels[35, 5].tolist()) == ([255, 0, 0], [0, 0, 255])


def test_damaged_exif_data_is_noted() -> None:
    data = encoded(Image.new("RGB", (8, 8), RED), "PNG", exif=b"Exif\0\0XX*\0\x08\0\0\0")

    assert (
        decode(data, Frame(8, 8, 3)).note == "its EXIF data cannot be read, so its orientation is not known"
    )


def transparent(mode: str) -> bytes:
    """Grey 200 in the left half, and transparent in the right half, which is black below."""
    image = Image.new("LA", (8, 8), (0, 0))
    image.paste((200, 255), (0, 0, 4, 8))
    if mode in ("LA", "RGBA"):
        return encoded(image.convert(mode))
    if mode == "I;16":
        values = np.zeros((8, 8), dtype=np.uint16)
        values[:, :4] = 200 * 257
        plain = deep(values)
        return plain[:33] + chunk(b"tRNS", struct.pack(">H", 0)) + plain[33:]
    grey = image.convert("L")
    if mode == "P":
        grey = grey.convert("RGB").quantize(2)
        return encoded(grey, transparency=grey.getpixel((7, 7)))
    return encoded(grey.convert(mode), transparency=0 if mode == "L" else (0, 0, 0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "L", "RGB", "P", "I;16"])
def test_transparent_pixels_show_the_white_background(mode: str, channels: int) -> None:
    pixels = decode(transparent(mode), Frame(8, 8, channels)).pixels

    assert pixels[4, 1].tolist() == [200] * channels
    assert pixels[4, 6].tolist() == [255] * channels


def test_a_half_transparent_pixel_is_composed() -> None:
    assert decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128))), Frame(8, 8, 1)).pixels[0, 0, 0] == 127


def test_the_colour_below_transparent_pixels_does_not_bleed_when_resized() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 31, 64))

    assert decode(encoded(image), Frame(8, 8, 1)).pixels.min() >= 254


@pytest.mark.parametrize(
    ("data", "grey"),
    [
        (deep([[65_535]]), 255),
        (deep([[128 * 257]]), 128),
        (deep([[3_000]], "TIFF", tiffinfo={281: 4_095}), 187),
        (deep([[3_000]], "TIFF", tiffinfo={281: 16_383}), 47),
        (deep([[128 * 257]], "TIFF", tiffinfo={262: 0}), 127),  # white is zero
        (b"P5 1 1 1023\n" + struct.pack(">H", 512), 128),
        (b"P5 1 1 65535\n" + struct.pack(">H", 128 * 257), 128),
    ],
    ids=["white", "16 bits", "12 bits", "14 bits", "inverted", "10 bits of PGM", "16 bits of PGM"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_pixels_are_scaled_by_the_largest_value_that_the_file_states(
    data: bytes, grey: int, channels: int
) -> None:
    pixels, note, _ = decode(data, Frame(1, 1, channels))

    assert (pixels.ravel().tolist(), note) == ([grey] * channels, "")


def test_twelve_packed_bits_are_scaled() -> None:
    rows = [[4_095, 2_048], [0, 1_024]]
    packed = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in rows)
    tags = [(256, 2), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 6)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    offset = struct.pack("<I", 14)
    data = b"II*\0" + offset + packed + struct.pack("<H", len(tags)) + directory + b"\0\0\0\0"

    assert decode(data, Frame(2, 2, 1)).pixels.ravel().tolist() == [255, 128, 0, 64]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_deep_pixels_that_may_have_fewer_bits_are_noted(format: str) -> None:
    pixels, note, _ = decode(deep([[3_000]], format), Frame(1, 1, 1))

    assert pixels.item() == 12
    assert note.startswith("its 16-bit values use at most 12 bits, and it does not state its largest value")


def test_values_above_the_stated_maximum_are_noted() -> None:
    pixels, note, _ = decode(deep([[128 * 257]], "TIFF", tiffinfo={281: 4_095}), Frame(1, 1, 1))

    assert (pixels.item(), note) == (
        128,
        "it has values above the largest value that it states, and is read as 16 bits",
    )


def colours_of_16_bits(*values: int, mark: bytes = b"") -> bytes:
    """A row of grey pixels that are stored as colours."""
    header = struct.pack(">IIBBBBB", len(values), 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + b"".join(struct.pack(">HHH", value, value, value) for value in values))
    chunks = chunk(b"IHDR", header) + mark + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_colours_of_16_bits_that_may_have_fewer_bits_are_noted() -> None:
    pixels, note, _ = decode(colours_of_16_bits(4_095), Frame(1, 1, 3))

    assert (pixels.max(), note.split(",")[0]) == (15, "its 16-bit values use at most 12 bits")
    assert decode(colours_of_16_bits(200 * 257), Frame(1, 1, 3)).note == ""


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """Add a chunk after the header of a PNG."""
    return png[:33] + chunk(kind, content) + png[33:]


@pytest.mark.parametrize(
    ("values", "bits", "grey"),
    [
        ([3_000, 4_095], 12, 187),  # at the lower end, as cameras write them
        ([3_000 << 4, 4_095 << 4], 12, 187),  # moved to the upper end
        ([3_000 << 4 | 3_000 >> 8, 65_535], 12, 187),  # moved, and filled as the PNG standard recommends
        ([16 * 11, 16 * 12], 12, 1),  # the same, but dark
        ([1_000, 1_023], 10, 249),
        ([16_000, 12_345], 14, 249),
        ([40_000, 65_534], 16, 156),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_significant_bits_that_a_png_states_are_used(
    values: list[int], bits: int, grey: int, channels: int
) -> None:
    grey_png = with_chunk(deep([values]), b"sBIT", bytes([bits]))
    colours = with_chunk(colours_of_16_bits(*values), b"sBIT", bytes([bits] * 3))

    assert decode(grey_png, Frame(1, 2, channels)).pixels[0, 0].tolist() == [grey] * channels
    assert decode(colours, Frame(1, 2, channels)).pixels[0, 0].tolist() == [grey] * channels
    assert decode(colours, Frame(1, 2, channels)).note == ""


def test_the_alpha_channel_of_scaled_colours_is_kept() -> None:
    colour, transparent = struct.pack(">HHHH", 4_095, 0, 0, 65_535), struct.pack(">HHHH", 0, 4_095, 1, 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 6, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + colour + transparent))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"sBIT", bytes([12] * 4)) + pixels + chunk(b"IEND", b"")

    assert decode(data, Frame(1, 2, 3)).pixels[0].tolist() == [list(RED), list(WHITE)]


def test_a_transparent_colour_of_few_bits_is_composed() -> None:
    data = with_chunk(colours_of_16_bits(513, 514), b"sBIT", bytes([10] * 3))
    data = with_chunk(data, b"tRNS", struct.pack(">HHH", 513, 513, 513))

    assert decode(data, Frame(1, 2, 1)).pixels.ravel().tolist() == [255, 128]


def colours_of_tiff(value: int, order: str, extra: dict[int, int], *, deflate: bool = False) -> bytes:
    """A pixel with three values of 16 bits, in the given order of bytes (< or >)."""
    pixels = struct.pack(f"{order}HHH", value, value, value)
    pixels = zlib.compress(pixels) if deflate else pixels
    bits_at = 8 + len(pixels) + len(pixels) % 2
    tags = {256: 1, 257: 1, 258: bits_at, 259: 8 if deflate else 1, 262: 2, 273: 8, 277: 3, 278: 1}
    tags |= {279: len(pixels), 284: 1, **extra}
    body = pixels.ljust(bits_at - 8, b"\0") + struct.pack(f"{order}HHH", 16, 16, 16)
    if largest := tags.get(341):
        body, tags[341] = body + struct.pack(f"{order}HHH", largest, largest, largest), bits_at + 6
    entries = [
        struct.pack(f"{order}HHII", tag, *((3, 3) if tag in (258, 341) else (4, 1)), number)
        for tag, number in sorted(tags.items())
    ]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8 + len(body)) + body + directory


@pytest.mark.parametrize("tag", [281, 341])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_a_tiff_are_scaled_by_the_largest_value_that_it_states(
    order: str, deflate: bool, tag: int
) -> None:
    pixels, note, _ = decode(colours_of_tiff(3_000, order, {tag: 4_095}, deflate=deflate), Frame(1, 1, 3))

    assert (pixels.ravel().tolist(), note) == ([187] * 3, "")


def test_colours_of_a_tiff_above_the_stated_maximum_are_noted() -> None:
    pixels, note, _ = decode(colours_of_tiff(128 * 257, "<", {281: 4_095}), Frame(1, 1, 3))

    assert pixels.ravel().tolist() == [128] * 3
    assert note.startswith("it has values above the largest value that it states")


def test_grey_with_alpha_that_states_few_bits_is_noted() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 4, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HH", 3_001, 65_535)))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"sBIT", b"\x0c\x0c") + pixels + chunk(b"IEND", b"")

    assert decode(data, Frame(1, 1, 1)).note.startswith("it states 4095 as the largest of its 16-bit values")


def test_a_transparent_colour_of_16_bits_is_composed() -> None:
    key = chunk(b"tRNS", struct.pack(">HHH", 513, 513, 513))

    assert decode(colours_of_16_bits(513, mark=key), Frame(1, 1, 1)).pixels.item() == 255


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_the_images_after_the_first_one_are_noted(format: str) -> None:
    others = [Image.new("RGB", (8, 8), GREEN), Image.new("RGB", (8, 8), BLUE)]
    lossless = {"lossless": True} if format == "WEBP" else {}
    data = encoded(Image.new("RGB", (8, 8), RED), format, save_all=True, append_images=others, **lossless)

    pixels, note, _ = decode(data, Frame(8, 8, 3))

    assert pixels[4, 4].tolist() == list(RED)
    assert note == "only the first of several images in the file is scored"


@pytest.mark.parametrize("side", [8_200, 20_000])
def test_a_small_file_of_too_many_pixels_is_refused(side: int) -> None:
    with pytest.raises(BrokenImageError, match=f"pixels; at most|more than {MAX_PIXELS:,} pixels"):
        decode(huge_png(side), Frame(32, 32, 3))


def test_a_large_jpeg_is_decoded_at_a_reduced_size() -> None:
    data = encoded(Image.new("RGB", (9_000, 8_000), (10, 200, 30)), "JPEG")

    pixels = decode(data, Frame(32, 32, 3)).pixels

    assert np.abs(pixels.astype(int) - (10, 200, 30)).max() <= 3


def test_the_pixels_of_all_threads_stay_below_the_limit() -> None:
    budget, most, now, lock = PixelBudget(100), 0, 0, threading.Lock()

    def work(pixels: int) -> None:
        nonlocal most, now
        with budget.reserve(pixels):
            with lock:
                now += pixels
                most = max(most, now)
            with lock:
                now -= pixels

    threads = [threading.Thread(target=work, args=(30 + number % 40,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 30 <= most <= 100


def test_an_image_above_the_limit_waits_for_all_others() -> None:
    budget, done = PixelBudget(100), threading.Event()

    def large() -> None:
        with budget.reserve(1_000):
            done.set()

    with budget.reserve(1):
        thread = threading.Thread(target=large)
        thread.start()
        assert not done.is_set()
    thread.join()

    assert done.is_set()
