"""How a picture is fitted to a model's frame: resized and cut out, exactly as torchvision does it."""

from collections.abc import Sequence

from image_input import Frame
from PIL import Image

Size = tuple[int, int]  # width and height, as Pillow has it


def resized_size(size: Size, frame: Frame) -> Size:
    """Return the width and the height to which a picture of this size is resized.

    If the length of the shorter side is given, the longer one is rounded down.
    """
    width, height = size
    if frame.resize is None:
        return size if frame.crop else (frame.width, frame.height)
    if not isinstance(frame.resize, int):
        return frame.resize[1], frame.resize[0]
    longer = int(frame.resize * max(size) / min(size))
    return (frame.resize, longer) if width <= height else (longer, frame.resize)


def in_picture(box: Sequence[float], size: Size, frame: Frame) -> list[float]:
    """Return a box (left, top, right, bottom) in pixels of a frame as a box in pixels of its picture."""
    resized = resized_size(size, frame)
    result = []
    for place, value in enumerate(box):
        axis = place % 2
        side, cut = resized[axis], (frame.width, frame.height)[axis]
        start = 0 if not frame.crop else round((side - cut) / 2) if side >= cut else -((cut - side) // 2)
        result.append(round(min(max((value + start) * size[axis] / side, 0), size[axis]), 2))
    return result


def cut_out(picture: Image.Image, size: Size) -> Image.Image:
    """Return the centre of a picture. A smaller picture is padded with black first.

    Where the centre has no whole number, halves are rounded to the even number.
    https://github.com/pytorch/vision/blob/main/torchvision/transforms/functional.py (center_crop)
    """
    width, height = size
    if picture.width < width or picture.height < height:
        picture = _padded(picture, size)
    if picture.size == size:
        return picture
    left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)
    return picture.crop((left, top, left + width, top + height))


def _padded(picture: Image.Image, size: Size) -> Image.Image:
    wide, high = max(size[0], picture.width), max(size[1], picture.height)
    opaque = {"LA": (0, 255), "RGBA": (0, 0, 0, 255)}
    black = Image.new(picture.mode, (wide, high), opaque.get(picture.mode, 0))
    black.paste(picture, ((wide - picture.width) // 2, (high - picture.height) // 2))
    return black
