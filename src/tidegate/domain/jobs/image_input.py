"""What a model of images takes: a tensor, by its signature, and how pictures become it, by its metadata.

The service and the jobs have this file each, and a test compares them. The keys of `metadata.preprocess` are
in docs/models-that-fit.md.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tidegate.domain.jobs.preprocess_keys import UnfitModelError, read_preprocess

DTYPES = ("uint8", "float16", "float32", "float64")
LARGEST_SIDE = 16_384


@dataclass(frozen=True)
class Frame:
    """The size and the colours of the pixels that a model is given, and how a picture is fitted to them.

    `resize` is the length of the shorter side, or (height, width). Without `resize` and `crop` a picture is
    stretched to (height, width). With `crop` the centre of this size is cut out, and a smaller picture is
    padded with black. `grey` gives all channels the same values.
    """

    height: int
    width: int
    channels: int
    resize: int | tuple[int, int] | None = None
    crop: bool = False
    interpolation: str = "bilinear"
    grey: bool = False


@dataclass(frozen=True)
class ImageInput:
    """The tensor of a batch: a frame of pixels for each image, as numbers in the model's order.

    A number is (pixel * scale - mean) / std. `mean` and `std` have a value for each channel, in the order of
    the model, or are empty. `batch` is the number of images that the model takes, or None if it takes any
    number. `layout` is NHWC, NCHW, or one of these with `flat`: then each image is one row of numbers.
    """

    frame: Frame
    dtype: str = "uint8"
    layout: str = "NHWC"
    flat: bool = False
    batch: int | None = None
    name: str | None = None
    bgr: bool = False
    scale: Fraction = Fraction(1)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def image_input(mlmodel: Mapping[str, Any]) -> ImageInput:
    """Return what a parsed `MLmodel` file says of the model's input.

    Raise UnfitModelError, which says what to add, if a picture cannot become this input without guessing.
    """
    name, dtype, shape = _tensor(mlmodel)
    declared = (mlmodel.get("metadata") or {}).get("preprocess")
    keys = read_preprocess(declared)
    shown = f"{dtype} {shape}"
    if dtype not in DTYPES:
        raise UnfitModelError(f"it takes {shown}, expected one of {', '.join(DTYPES)}")
    if not shape or (shape[0] != -1 and shape[0] < 1):
        raise UnfitModelError(f"it takes {shown}: the first dimension must be -1, or a number of images")
    flat = len(shape) == 2
    inner = _spread(shape, keys, shown) if flat else shape[1:]
    layout = _layout(inner, keys.get("layout"), shown)
    height, width, channels = inner if layout == "NHWC" else (*inner[1:], inner[0])
    height, width = _size(height, width, keys.get("size"), shown)
    _check_numbers(dtype, declared, keys, channels, shown)
    grey = keys.get("color", "grey" if channels == 1 else "RGB") == "grey"
    crop = bool(keys.get("crop"))
    frame = Frame(
        height, width, channels, keys.get("resize"), crop, keys.get("interpolation", "bilinear"), grey
    )
    _check_resize(frame)
    return ImageInput(
        frame,
        dtype,
        layout,
        flat=flat,
        batch=None if shape[0] == -1 else shape[0],
        name=name,
        bgr=keys.get("color") == "BGR",
        scale=keys.get("scale", Fraction(1) if dtype == "uint8" else Fraction(1, 255)),
        mean=_each(keys.get("mean"), channels),
        std=_each(keys.get("std"), channels),
    )


def _tensor(mlmodel: Mapping[str, Any]) -> tuple[str | None, str, tuple[int, ...]]:
    """Return the name, the type and the shape of the model's only input."""
    inputs = json.loads((mlmodel.get("signature") or {}).get("inputs") or "[]")
    tensors = [item for item in inputs if item.get("type") == "tensor"]
    if not tensors:
        raise UnfitModelError("it has no tensor signature: log it with signature=ModelSignature(...)")
    if len(inputs) != 1:
        raise UnfitModelError(f"it takes {len(inputs)} inputs, expected one tensor of images")
    spec = tensors[0]["tensor-spec"]
    return tensors[0].get("name"), str(spec["dtype"]), tuple(int(side) for side in spec["shape"])


def _layout(inner: Sequence[int], declared: str | None, shown: str) -> str:
    """Return the order of the dimensions of one image. Raise UnfitModelError if it would be a guess."""
    if len(inner) != 3:
        raise UnfitModelError(f"it takes {shown}, expected images (-1, height, width, 1 or 3)")
    possible = [layout for layout, place in (("NHWC", 2), ("NCHW", 0)) if inner[place] in (1, 3)]
    if declared and declared not in possible:
        raise UnfitModelError(f"it takes {shown}, which is not {declared}: no 1 or 3 channels are there")
    if not possible:
        raise UnfitModelError(
            f"it takes {shown}, expected (-1, height, width, 1 or 3) or (-1, 1 or 3, height, width)"
        )
    if len(possible) == 2 and not declared:
        raise UnfitModelError(
            f"it takes {shown}, which can be read in two ways: add layout to metadata.preprocess,"
            " layout: NCHW (channels first, as torch has it) or layout: NHWC (channels last)"
        )
    return declared or possible[0]


def _spread(shape: Sequence[int], keys: Mapping[str, Any], shown: str) -> tuple[int, int, int]:
    """Return the dimensions of an image that the model takes as one row of numbers."""
    if "size" not in keys:
        raise UnfitModelError(
            f"it takes {shown}, a row of numbers for each image:"
            " add size: [height, width] to metadata.preprocess"
        )
    height, width = keys["size"]
    channels = 1 if shape[1] == height * width else 3
    if shape[1] != height * width * channels:
        raise UnfitModelError(f"it takes {shown}, which is not 1 or 3 channels of size [{height}, {width}]")
    if channels == 3 and "layout" not in keys:
        raise UnfitModelError(
            f"it takes {shown}, and does not say in which order: add layout to metadata.preprocess,"
            " layout: NCHW (one channel after the other) or layout: NHWC (one pixel after the other)"
        )
    return (channels, height, width) if keys.get("layout") == "NCHW" else (height, width, channels)


def _size(height: int, width: int, declared: tuple[int, int] | None, shown: str) -> tuple[int, int]:
    """Return the height and the width that the signature fixes, or else those that are declared."""
    if -1 in (height, width) and declared is None:
        raise UnfitModelError(
            f"it takes {shown}, images of any size: add size: [height, width] to metadata.preprocess"
        )
    size = declared or (height, width)
    if (height, width) not in ((size[0], size[1]), (-1, size[1]), (size[0], -1), (-1, -1)):
        raise UnfitModelError(f"it takes {shown}, and metadata.preprocess says size: [{size[0]}, {size[1]}]")
    if not 0 < min(size) <= max(size) <= LARGEST_SIDE:
        raise UnfitModelError(f"it takes {shown}, which is no size of an image")
    return size


def _check_numbers(dtype: str, declared: Any, keys: Mapping[str, Any], channels: int, shown: str) -> None:
    """Raise UnfitModelError if it is not known which numbers the model takes for the values of pixels."""
    if dtype != "uint8" and not declared:
        raise UnfitModelError(
            f"it takes {shown}, and does not say how pixels become {dtype}: add preprocess to its metadata,"
            " such as preprocess: {preset: imagenet}, or preprocess: {scale: 1/255} for values from 0 to 1"
        )
    if dtype == "uint8" and (changed := [key for key in ("scale", "mean", "std") if key in keys]):
        raise UnfitModelError(
            f"it takes {shown}, whole numbers from 0 to 255, to which {' and '.join(changed)} of"
            " metadata.preprocess cannot be applied: give the keys resize, crop and interpolation only"
        )
    if keys.get("color") in ("RGB", "BGR") and channels == 1:
        raise UnfitModelError(f"it takes {shown}, one channel, which color: {keys['color']} does not fit")
    for key in ("mean", "std"):
        if len(keys.get(key, ())) not in (0, 1, channels):
            count = len(keys[key])
            raise UnfitModelError(f"it takes {shown}, and {key} of metadata.preprocess has {count} values")


def _check_resize(frame: Frame) -> None:
    if frame.crop or frame.resize is None:
        return
    if isinstance(frame.resize, int):
        raise UnfitModelError(
            f"resize: {frame.resize} in metadata.preprocess is the length of the shorter side:"
            " add crop: center, or write resize: [height, width]"
        )
    if frame.resize != (frame.height, frame.width):
        raise UnfitModelError(
            f"resize: {list(frame.resize)} in metadata.preprocess is not the size that it takes,"
            f" [{frame.height}, {frame.width}]: add crop: center"
        )


def _each(values: tuple[float, ...] | None, channels: int) -> tuple[float, ...]:
    return () if values is None else values * channels if len(values) == 1 else values
