"""The MLmodel file of a model: users write it, so its size and its depth are limited."""

from collections.abc import Iterable
from typing import Any

import yaml

MOST_BYTES = 1024 * 1024  # a file of 21,000 labels has 600 KB
MOST_DEPTH = 32


class MlmodelError(ValueError):
    """An MLmodel file that is too large, nested too deeply, or not the YAML that MLflow writes."""


def parse_mlmodel(content: bytes) -> dict[str, Any]:
    """Return the content of an MLmodel file. Raise MlmodelError if it cannot be read at a bounded cost."""
    if len(content) > MOST_BYTES:
        raise MlmodelError(f"it has {len(content)} bytes, and at most {MOST_BYTES} are read")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if libyaml is there
    try:
        _check_depth(yaml.parse(content, Loader=loader))
        mlmodel = yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise MlmodelError(" ".join(str(problem).split())) from error
    if not isinstance(mlmodel, dict):
        raise MlmodelError("it is not a YAML mapping")
    return mlmodel


def _check_depth(events: Iterable[yaml.Event]) -> None:
    """Raise ValueError at the first event that is nested too deeply, before anything is loaded.

    Merge keys are refused, because a short file of them grows exponentially while it is loaded.
    """
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise ValueError("it has merge keys (<<), which MLflow never writes")
        if depth > MOST_DEPTH:
            raise ValueError(f"it is nested more than {MOST_DEPTH} levels deep")
