"""Drift signals: one form for what monitors, the service's own measurement and the calendar report."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Source = Literal["measurement", "monitor", "dataset_monitor", "renew", "partition"]

# What Azure's model monitoring writes into the tag of its run:
# https://learn.microsoft.com/azure/machine-learning/how-to-monitor-model-performance
_BREACH = "has failed due to one or more features violating metric thresholds"
_FEATURE = re.compile(r'\{[^{}]*"group"[^{}]*\}')
_MOST_FEATURES = 20
_KEPT = ("group", "metric_name", "metric_value", "threshold_value")


@dataclass(frozen=True)
class DriftSignal:
    """A report about drift.

    `about` names what was measured. If one source sends several signals with the same `about`, the newest
    counts. A signal with `counts` False shows neither that there is drift nor that there is no drift. Such a
    signal is recorded with its reason.
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
    """Return the id of a signal, which is the same if its event is redelivered.

    The id is derived from `of`, which names the source: for example, a result, a run or a month. The id
    consists of letters, digits and dashes. A hash is added if `of` has other characters or is too long.
    """
    words = re.sub(r"[^A-Za-z0-9]+", "-", of).strip("-")[:60]
    plain = source == "renew" or words == of.replace(":", "-")
    return f"{source.replace('_', '-')}-{words}" + ("" if plain else f"-{_digest(of)}")


def read_measurement(of: str, content: bytes, at: datetime) -> DriftSignal:
    """Return the signal in the drift.json of a result.

    `of` names the result: `digits:202611-1-g1`. The signal counts if drift was measured.
    """
    try:
        report = json.loads(content)
        measured = report.get("measured", True) is True and isinstance(report["breached"], bool)
        reason = report.get("why") or "drift.json has no `breached`"
        why = _describe_drift(report) if measured else f"drift was not measured: {reason}"
    except (ValueError, KeyError, AttributeError):
        report, measured, why = {}, False, "its drift.json cannot be read"
    return DriftSignal(
        id=signal_id("measurement", of),
        source="measurement",
        about=of.rpartition("-")[0].rpartition("-")[0],
        at=at,
        breached=measured and report["breached"],
        why=why,
        evidence={
            "result": of,
            "share_drifted": report.get("share_drifted"),
            "n": report.get("n"),
            "drifted": _drifted_names(report)[:_MOST_FEATURES],
        },
        counts=measured,
    )


def read_monitor(of: str, said: str, at: datetime) -> DriftSignal:
    """Return the signal in the tag that a model monitor wrote.

    `of` names the run and the signal: `run:signal`. All signals of a run are about the same data. The tag's
    list of features may be cut off. The signal does not count if the tag's text differs from the text that
    Azure writes today.
    """
    breached = _BREACH in said
    features = [kept for text in _FEATURE.findall(said.replace('\\"', '"')) if (kept := _feature(text))]
    names = [str(feature.get("group")) for feature in features]
    violated = f"a monitor found metric thresholds violated: {', '.join(names[:5]) or 'no feature is named'}"
    return DriftSignal(
        id=signal_id("monitor", of),
        source="monitor",
        about=of.partition(":")[0],
        at=at,
        breached=breached,
        why=violated if breached else f"the monitor's tag has an unknown text: {said[:200]}",
        evidence={"run": of, "features": features[:_MOST_FEATURES]},
        counts=breached,
    )


def read_dataset_monitor(of: str, said: str, at: datetime) -> DriftSignal:
    """Return the signal of a DatasetDriftDetected event, which Azure sends only if there is drift.

    `said` is the drift coefficient.
    """
    return DriftSignal(
        id=signal_id("dataset_monitor", of),
        source="dataset_monitor",
        about=of,
        at=at,
        breached=True,
        why=f"a dataset monitor found drift with the coefficient {said or '(unknown)'}",
        evidence={"monitor": of, "coefficient": said},
    )


def renewal(month: str, at: datetime) -> DriftSignal:
    """Return the signal of a scheduled renewal, which starts a training without any drift."""
    return DriftSignal(
        signal_id("renew", month), "renew", month, at, breached=False, why=f"renewal of {month}"
    )


def partition_arrived(of: str, at: datetime) -> DriftSignal:
    """Return the signal of a partition that is complete. `of` names its Data asset: `sales:202611-1`."""
    return DriftSignal(
        signal_id("partition", of), "partition", of, at, breached=False, why=f"{of} is complete"
    )


def _describe_drift(report: dict[str, Any]) -> str:
    drifted, share = _drifted_names(report), report.get("share_drifted")
    how_much = f"{share:.0%} of what is compared" if isinstance(share, float | int) else "some of it"
    why = f"{how_much} differs from {report.get('reference') or 'the training data'}"
    return f"{why}: {', '.join(drifted[:5])}" if drifted else why


def _drifted_names(report: dict[str, Any]) -> list[str]:
    return [*_drifted(report.get("features")), *_drifted(report.get("predictions"))]


def _drifted(section: Any) -> list[str]:
    items = section.items() if isinstance(section, dict) else ()
    return [str(name) for name, result in items if isinstance(result, dict) and result.get("drifted") is True]


def _feature(text: str) -> dict[str, Any]:
    try:
        feature = json.loads(text)
    except ValueError:
        return {}
    return {key: feature[key] for key in _KEPT if key in feature}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
