"""How pictures are fitted to a model's frame, as torchvision does it."""

import io
from typing import Any

import numpy as np
import pytest
from decoding import decode
from framing import cut_out, resized_size
from image_input import Frame
from PIL import Image


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((1000, 601), 256, (425, 256)),
        ((601, 1000), 256, (256, 425)),
        ((100, 100), 256, (256, 256)),
        ((1000, 601), (32, 64), (64, 32)),
        ((1000, 601), None, (1000, 601)),
    ],
)
def test_the_shorter_side_gets_the_length_and_the_longer_is_rounded_down(
    size: tuple[int, int], resize: Any, expected: tuple[int, int]
) -> None:
    assert resized_size(size, Frame(8, 8, 3, resize=resize, crop=True)) == expected


@pytest.mark.parametrize(("length", "start"), [(8, 0), (9, 0), (11, 2), (13, 2), (15, 4)])
def test_the_centre_begins_at_the_even_number_of_two(length: int, start: int) -> None:
    columns = Image.fromarray(np.tile(np.arange(length, dtype=np.uint8), (length, 1)))

    pixels = np.asarray(cut_out(columns, (8, 8)))

    assert pixels[0].tolist() == list(range(start, start + 8))
    assert (np.asarray(cut_out(columns.transpose(Image.Transpose.TRANSPOSE), (8, 8))) == pixels.T).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_a_smaller_picture_is_padded_with_black(mode: str) -> None:
    picture = Image.new("RGB", (3, 10), (255, 255, 255)).convert(mode)

    pixels = decode(encoded(picture), Frame(8, 8, 1, crop=True)).pixels[..., 0]

    assert pixels[0].tolist() == [0, 0, 255, 255, 255, 0, 0, 0]
    assert (pixels == pixels[0]).all()


def stripes(side: int) -> Image.Image:
    """Of each eight columns two are white."""
    row = np.where(np.arange(side) % 8 < 2, 255, 0).astype(np.uint8)
    return Image.fromarray(np.tile(row, (side, 1)))


@pytest.mark.parametrize("frame", [Frame(64, 64, 1), Frame(64, 64, 1, resize=64, crop=True)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_made_smaller_keeps_its_mean(frame: Frame, format: str) -> None:
    pixels = decode(
        encoded(stripes(512), format, **({"quality": 100} if format == "JPEG" else {})), frame
    ).pixels

    assert pixels.mean() / 255 == pytest.approx(0.25, abs=0.01)
    assert pixels.std() < 8


def test_the_cut_is_made_after_the_picture_is_turned() -> None:
    columns = np.tile(np.arange(9, dtype=np.uint8) * 20, (8, 1))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees

    pixels = decode(encoded(Image.fromarray(columns), exif=exif), Frame(8, 8, 1, crop=True)).pixels

    assert pixels[0, :, 0].tolist() == [160 - 20 * place for place in range(8)]


def test_a_picture_that_would_be_resized_to_a_huge_one_is_an_error() -> None:
    thread = encoded(Image.new("L", (1, 5_000)))

    with pytest.raises(ValueError, match="resized it has 256 x 1280000 pixels"):
        decode(thread, Frame(224, 224, 1, resize=256, crop=True))
