"""One DriftSignal out of all that can speak of drift: monitors, our own measurement, the calendar. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Source = Literal["measurement", "monitor", "dataset_monitor", "renew"]

# What the component of model monitoring writes into the tag of the run:
# https://learn.microsoft.com/azure/machine-learning/how-to-monitor-model-performance
_BREACH = "has failed due to one or more features violating metric thresholds"
_FEATURE = re.compile(r'\{[^{}]*"group"[^{}]*\}')
_MOST_FEATURES = 20
_KEPT = ("group", "metric_name", "metric_value", "threshold_value")


@dataclass(frozen=True)
class DriftSignal:
    """`about` is what it speaks of: a later signal of the same source about the same takes its place."""

    id: str
    source: Source
    about: str
    at: datetime
    breached: bool
    why: str
    evidence: dict[str, Any] = field(default_factory=dict)


def signal_id(source: Source, of: str) -> str:
    """Derived from what it is of, so that a redelivery is the same; letters, digits and - only."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", of).strip("-")[:60]
    plain = source == "renew" or words == of.replace(":", "-")
    return f"{source.replace('_', '-')}-{words}" + ("" if plain else f"-{_digest(of)}")


def read_measurement(of: str, content: bytes, at: datetime) -> DriftSignal | None:
    """From drift.json of a result (`digits:202611-1-g1`); None where nothing was measured, or readable."""
    try:
        told = json.loads(content)
        measured = told.get("measured", True) is True and isinstance(told["breached"], bool)
    except (ValueError, KeyError, AttributeError):
        return None
    if not measured:
        return None
    drifted = [*_drifted(told.get("features")), *_drifted(told.get("predictions"))]
    share = told.get("share_drifted")
    much = f"{share:.0%} of what is compared" if isinstance(share, float | int) else "some of it"
    why = f"{much} differs from {told.get('reference') or 'the training data'}"
    return DriftSignal(
        id=signal_id("measurement", of),
        source="measurement",
        about=of.rpartition("-")[0].rpartition("-")[0],
        at=at,
        breached=told["breached"],
        why=f"{why}: {', '.join(drifted[:5])}" if drifted else why,
        evidence={
            "result": of,
            "share_drifted": share,
            "n": told.get("n"),
            "drifted": drifted[:_MOST_FEATURES],
        },
    )


def read_monitor(of: str, said: str, at: datetime) -> DriftSignal | None:
    """From the tag of a monitor's run; None where it does not speak of a breach. The list can be cut off."""
    if _BREACH not in said:
        return None
    features = [kept for text in _FEATURE.findall(said.replace('\\"', '"')) if (kept := _feature(text))]
    names = [str(one.get("group")) for one in features]
    why = f"a monitor saw thresholds violated: {', '.join(names[:5]) or 'it does not say of what'}"
    return DriftSignal(
        id=signal_id("monitor", of),
        source="monitor",
        about=of,
        at=at,
        breached=True,
        why=why,
        evidence={"run": of, "features": features[:_MOST_FEATURES]},
    )


def read_dataset_monitor(of: str, said: str, at: datetime) -> DriftSignal:
    """From DatasetDriftDetected, which is only raised where there is drift."""
    return DriftSignal(
        id=signal_id("dataset_monitor", of),
        source="dataset_monitor",
        about=of,
        at=at,
        breached=True,
        why=f"a dataset monitor saw drift of {said or 'unknown size'}",
        evidence={"monitor": of, "coefficient": said},
    )


def renewal(month: str, at: datetime) -> DriftSignal:
    """The calendar's turn: it asks for a training without any drift."""
    return DriftSignal(
        signal_id("renew", month), "renew", month, at, breached=False, why=f"renewal of {month}"
    )


def _drifted(found: Any) -> list[str]:
    items = found.items() if isinstance(found, dict) else ()
    return [str(name) for name, one in items if isinstance(one, dict) and one.get("drifted") is True]


def _feature(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return {key: told[key] for key in _KEPT if key in told}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
