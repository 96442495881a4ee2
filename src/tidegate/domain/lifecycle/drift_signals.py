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
    """`about` is what it speaks of: a later signal of the same source about the same takes its place.

    One that does not count says nothing, neither drift nor none: it is recorded with its reason.
    """

    id: str
    source: Source
    about: str
    at: datetime
    breached: bool
    why: str
    evidence: dict[str, Any] = field(default_factory=dict)
    counts: bool = True


def signal_id(source: Source, of: str) -> str:
    """Derived from what it is of, so that a redelivery is the same; letters, digits and - only."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", of).strip("-")[:60]
    plain = source == "renew" or words == of.replace(":", "-")
    return f"{source.replace('_', '-')}-{words}" + ("" if plain else f"-{_digest(of)}")


def read_measurement(of: str, content: bytes, at: datetime) -> DriftSignal:
    """From drift.json of a result (`digits:202611-1-g1`); it counts where something was measured."""
    try:
        told = json.loads(content)
        measured = told.get("measured", True) is True and isinstance(told["breached"], bool)
        why = (
            _measured(told) if measured else f"it was not measured: {told.get('why') or 'drift.json is odd'}"
        )
    except (ValueError, KeyError, AttributeError):
        told, measured, why = {}, False, "its drift.json cannot be read"
    return DriftSignal(
        id=signal_id("measurement", of),
        source="measurement",
        about=of.rpartition("-")[0].rpartition("-")[0],
        at=at,
        breached=measured and told["breached"],
        why=why,
        evidence={
            "result": of,
            "share_drifted": told.get("share_drifted"),
            "n": told.get("n"),
            "drifted": _all_drifted(told)[:_MOST_FEATURES],
        },
        counts=measured,
    )


def read_monitor(of: str, said: str, at: datetime) -> DriftSignal:
    """From the tag of a monitor's run, `of` run and signal; its list of features can be cut off.

    All signals of a run are about the same data. A tag in other words than Azure's of today does not count.
    """
    breached = _BREACH in said
    features = [kept for text in _FEATURE.findall(said.replace('\\"', '"')) if (kept := _feature(text))]
    names = [str(one.get("group")) for one in features]
    seen = f"a monitor saw thresholds violated: {', '.join(names[:5]) or 'it does not say of what'}"
    return DriftSignal(
        id=signal_id("monitor", of),
        source="monitor",
        about=of.partition(":")[0],
        at=at,
        breached=breached,
        why=seen if breached else f"its tag is not in the words that are known: {said[:200]}",
        evidence={"run": of, "features": features[:_MOST_FEATURES]},
        counts=breached,
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


def _measured(told: dict[str, Any]) -> str:
    drifted, share = _all_drifted(told), told.get("share_drifted")
    much = f"{share:.0%} of what is compared" if isinstance(share, float | int) else "some of it"
    why = f"{much} differs from {told.get('reference') or 'the training data'}"
    return f"{why}: {', '.join(drifted[:5])}" if drifted else why


def _all_drifted(told: dict[str, Any]) -> list[str]:
    return [*_drifted(told.get("features")), *_drifted(told.get("predictions"))]


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
