"""The outcome of a comparison of forecasts with actual values: which keys are trained again, and why."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMPARISON, KEYS_TO_TRAIN = "comparison.json", "retrain.jsonl"
_MOST_DECISIONS = 100


@dataclass(frozen=True)
class KeyDecision:
    """A key that is trained again: `why` is `worse`, `failed`, `new` or `grown`."""

    key: Mapping[str, str]
    why: str
    reason: str

    @property
    def text(self) -> str:
        named = ", ".join(f"{column}={value}" for column, value in self.key.items())
        return f"{named}: {self.why}: {self.reason}"


@dataclass(frozen=True)
class ComparisonOutcome:
    """How many keys were compared, and the keys to train. Of these at most 100 are kept; the file has all."""

    compared: int
    keys: Mapping[str, int] = field(default_factory=dict)
    decisions: tuple[KeyDecision, ...] = ()

    @property
    def text(self) -> str:
        """Return in one sentence what is trained."""
        if not self.keys:
            return f"none of the {self.compared} compared keys needs a training"
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(self.keys.items()))
        return f"{sum(self.keys.values())} keys are trained again ({reasons}); {self.compared} were compared"


def comparison_folder(model: str, signal: str) -> str:
    """Return the folder in the workspace's blob store that a comparison writes to, with a final slash."""
    return f"sets/{model}/comparisons/{signal}/"


def read_comparison(content: bytes) -> ComparisonOutcome:
    """Read comparison.json. Raise ValueError that says why it cannot be used."""
    try:
        raw = json.loads(content)
        keys = [_decision(entry) for entry in raw["keys"] if entry.get("train", True)]
        compared = int(raw["compared"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{COMPARISON} cannot be read: {error!r}") from error
    return ComparisonOutcome(compared, Counter(key.why for key in keys), tuple(keys[:_MOST_DECISIONS]))


def _decision(entry: Mapping[str, Any]) -> KeyDecision:
    key = {str(column): str(value) for column, value in entry["key"].items()}
    return KeyDecision(key, str(entry["why"]), str(entry.get("reason", "")))
