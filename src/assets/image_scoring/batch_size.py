"""How many images a model predicts at a time: at first by the memory of the machine, then by trial."""

import os
from pathlib import Path

import numpy as np
from image_input import ImageInput

CHUNK = 64
MOST_PIXELS = 16 * 2**20
SHARE = 8  # the part of the memory that a chunk may need: other processes and pictures need the rest
WORKING = 32  # how many times an image's tensor a model may need while it predicts
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_EXHAUSTED = ("out of memory", "failed to allocate", "bad_alloc", "bad allocation")


def first_size(given: ImageInput, memory: int) -> int:
    """Return how many images are decoded before the model predicts them. `memory` is in bytes.

    If the model takes a fixed number of images, the size is a multiple of it.
    """
    if given.batch is not None:
        return given.batch * max(1, CHUNK // given.batch)
    pixels = given.frame.height * given.frame.width
    image = pixels * given.frame.channels * np.dtype(given.dtype).itemsize * WORKING
    return max(1, min(CHUNK, MOST_PIXELS // pixels, memory // SHARE // image))


def machine_memory() -> int:
    """Return the bytes of memory that this process may use: those of its container, or of the machine."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _LIMITS:
        text = Path(name).read_text().strip() if Path(name).is_file() else ""
        found += [int(text)] if text.isdecimal() else []
    return min(found)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a model failed because a CPU or GPU had too little memory for the images."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _EXHAUSTED)
