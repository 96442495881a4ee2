"""The keys of `metadata.output` in an MLmodel file: what the model's numbers mean.

The service and the jobs have this file each, and a test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preprocess_keys import UnfitModelError

KINDS = ("classes", "multilabel", "regression", "embedding", "boxes")
ACTIVATIONS = {"classes": ("softmax", "sigmoid"), "multilabel": ("sigmoid",)}
KEYS = ("kind", "name", "activation", "top", "threshold")
MOST_TOP = 1_000


@dataclass(frozen=True)
class OutputSpec:
    """What a model returns. `name` is that of the output to use, if the model has several.

    `activation` makes probabilities of the model's numbers. `top` is the number of most probable classes in a
    column of their own. `threshold` is the least probability of a label or a box, or that of each label.
    """

    kind: str = "classes"
    name: str | None = None
    activation: str | None = None
    top: int = 0
    threshold: float | Mapping[str, float] = 0.5


def output_spec(mlmodel: Mapping[str, Any]) -> OutputSpec:
    """Return what a parsed `MLmodel` file says of the model's output.

    Raise UnfitModelError, which names each wrong key and what it may be.
    """
    declared = (mlmodel.get("metadata") or {}).get("output")
    if declared is None:
        return OutputSpec()
    if not isinstance(declared, Mapping):
        raise UnfitModelError(f"its metadata.output is {declared!r}, expected keys such as kind: multilabel")
    problems = [f"there is no key {key!r}, only {', '.join(KEYS)}" for key in declared if key not in KEYS]
    problems += [problem for key, value in declared.items() if (problem := _problem(key, value, declared))]
    if problems:
        raise UnfitModelError(f"its metadata.output cannot be used: {'; '.join(problems)}")
    return OutputSpec(**declared)


def _problem(key: str, value: Any, declared: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the value of a key, or None."""
    kind = declared.get("kind", "classes")
    match key:
        case "kind":
            fits, expected = value in KINDS, f"one of {', '.join(KINDS)}"
        case "name":
            fits, expected = isinstance(value, str) and bool(value), "the name of an output"
        case "activation":
            possible = ACTIVATIONS.get(kind, ()) if isinstance(kind, str) else ()
            fits = value in possible
            expected = " or ".join(possible) if possible else f"none for kind: {kind}"
        case "top":
            fits = type(value) is int and 0 < value <= MOST_TOP and kind == "classes"
            expected = f"a number of classes up to {MOST_TOP}, for kind: classes"
        case "threshold":
            values = value.values() if isinstance(value, Mapping) else [value]
            fits = all(type(item) in (int, float) and 0 <= item <= 1 for item in values)
            fits = fits and kind in ("multilabel", "boxes")
            expected = "a number from 0 to 1, or one for each label, for kind: multilabel or boxes"
        case _:
            return None
    return None if fits else f"{key} is {value!r}, expected {expected}"
