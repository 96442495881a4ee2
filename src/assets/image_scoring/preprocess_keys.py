"""The keys of `metadata.preprocess` in an MLmodel file, each with its check.

The service and the jobs have this file each, and a test compares them.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn

from image_presets import PRESETS

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
MOST_PIXELS = 16_384  # of a side


class UnfitModelError(ValueError):
    """A model that cannot score images. The message is one sentence; its cause has the traceback."""


def read_preprocess(declared: Any) -> dict[str, Any]:
    """Return the checked keys of `metadata.preprocess`, with those of its preset.

    Raise UnfitModelError, which names each wrong key, what it is and what it may be.
    """
    if declared is None:
        return {}
    if not isinstance(declared, Mapping):
        raise UnfitModelError(
            f"its metadata.preprocess is {declared!r}, expected keys such as preset: imagenet"
        )
    keys: dict[str, Any] = {}
    problems = []
    for key, value in declared.items():
        if key not in _READERS:
            problems.append(f"there is no key {key!r}, only {', '.join(_READERS)}")
            continue
        try:
            keys[key] = _READERS[key](value)
        except (ValueError, TypeError, ZeroDivisionError):
            problems.append(f"{key} is {value!r}, expected {_EXPECTED[key]}")
    if problems:
        raise UnfitModelError(f"its metadata.preprocess cannot be used: {'; '.join(problems)}")
    return (keys.pop("preset", None) or {}) | keys


def _reject() -> NoReturn:
    raise ValueError


def _choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        matching = [name for name in allowed if isinstance(value, str) and name.lower() == value.lower()]
        return matching[0] if matching else _reject()

    return read


def _whole(value: Any) -> int:
    fits = type(value) is int and 0 < value <= MOST_PIXELS
    return int(value) if fits else _reject()


def _sides(value: Any) -> tuple[int, int]:
    height, width = (value, value) if type(value) is int else value
    return _whole(height), _whole(width)


def _numbers(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not all(type(item) in (int, float) and abs(item) < 1e6 for item in values) or len(values) not in (
        1,
        3,
    ):
        _reject()
    return tuple(float(item) for item in values)


def _divisors(value: Any) -> tuple[float, ...]:
    values = _numbers(value)
    return values if min(values) > 0 else _reject()


def _fraction(value: Any) -> Fraction:
    if type(value) not in (str, int, float):
        _reject()
    exact = Fraction(str(value))
    short = exact.limit_denominator(1_000)  # 0.00392156862745098 is 1/255
    scale = short if abs(short - exact) < Fraction(1, 10**12) else exact
    return scale if 0 < scale <= 1 else _reject()


def _preset(value: Any) -> dict[str, Any]:
    preset = PRESETS[value] if value in PRESETS else _reject()
    return {
        "resize": preset.resize,
        "size": (preset.size, preset.size),
        "crop": "center",
        "interpolation": preset.interpolation,
        "scale": Fraction(1, 255),
        "mean": preset.mean,
        "std": preset.std,
    }


_READERS: dict[str, Callable[[Any], Any]] = {
    "preset": _preset,
    "size": _sides,
    "resize": lambda value: _whole(value) if type(value) is int else _sides(value),
    "crop": _choice("center"),
    "interpolation": _choice(*INTERPOLATIONS),
    "color": _choice("RGB", "BGR", "grey"),
    "layout": _choice("NCHW", "NHWC"),
    "scale": _fraction,
    "mean": _numbers,
    "std": _divisors,
}
_EXPECTED = {
    "preset": "imagenet, or weights of torchvision such as ResNet50_Weights.IMAGENET1K_V2",
    "size": "[height, width]",
    "resize": "the length of the shorter side, or [height, width]",
    "crop": "center",
    "interpolation": f"one of {', '.join(INTERPOLATIONS)}",
    "color": "RGB, BGR or grey",
    "layout": "NCHW or NHWC",
    "scale": "what a pixel from 0 to 255 is multiplied by, such as 1/255, and at most 1",
    "mean": "1 or 3 numbers",
    "std": "1 or 3 numbers above 0",
}
