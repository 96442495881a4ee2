"""The profile of image files: formats, modes and sizes, from the beginning of each file."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

MOST_IMAGES = 2_000
SHOWN_SIZES = 100
SHOWN_FILES = 20


class Header(NamedTuple):
    """What the beginning of an image file says."""

    format: str
    mode: str
    width: int
    height: int


def profile_images(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the formats, modes and sizes of images. Of many files, some are read, always the same ones."""
    step = max(1, -(-len(names) // MOST_IMAGES))
    chosen = names[::step]
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as threads:
        headers = list(threads.map(lambda name: read_header(folder / name), chosen))
    images = [header for header in headers if header]
    others = [name for name, header in zip(chosen, headers, strict=True) if header is None]
    return {
        "read": len(chosen),
        "all_files": step == 1,
        "images": len(images),
        "not_images": len(others),
        "not_image_files": others[:SHOWN_FILES],
        "formats": dict(Counter(image.format for image in images).most_common()),
        "modes": dict(Counter(image.mode for image in images).most_common()),
        "sizes": dict(Counter(f"{i.width} x {i.height}" for i in images).most_common(SHOWN_SIZES)),
        "width": _range([image.width for image in images]),
        "height": _range([image.height for image in images]),
    }


def read_header(file: Path) -> Header | None:
    """Return what an image file says of itself, or None if it is no image."""
    try:
        with Image.open(file) as image:
            return Header(image.format or "", image.mode, *image.size)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _range(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    return {"min": min(values), "median": median(values), "max": max(values)}
