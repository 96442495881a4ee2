"""The decision whether drift signals start a retraining: one decision for all sources of signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tidegate.config.model_policy import Drift, Renew
from tidegate.domain.lifecycle.drift_signals import DriftSignal
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord
from tidegate.domain.partitions.records import Partition

_MOST_SIGNALS = 100
_LATEST_RENEWAL_H = 24  # a renewal that would start later than this waits for the next month


@dataclass(frozen=True)
class DriftDecision:
    """Whether a signal starts a training, and the reason."""

    taken: bool
    why: str


def decide_drift(
    model: Model, signal: DriftSignal, drift: Drift, now: datetime, zone: ZoneInfo
) -> DriftDecision:
    """Decide whether a signal starts a training, together with the signals in the model's record."""
    if not signal.counts:
        return DriftDecision(False, signal.why)
    if signal.source != "renew":
        if not signal.breached:
            return DriftDecision(False, "no drift")
        window = _window(model, signal, drift.of_last)
        breaches = sum(earlier.breached for earlier in window)
        if breaches < drift.breaches:
            required = f"{drift.breaches} of the last {drift.of_last} are required"
            return DriftDecision(
                False, f"{breaches} of {len(window)} signals breached since the last training; {required}"
            )
    if obstacle := _obstacle(model, drift, now, zone):
        return DriftDecision(False, obstacle)
    return DriftDecision(True, signal.why)


def scored_partitions(partitions: Sequence[Partition], most: int) -> list[str]:
    """Return the Data asset versions of the newest partitions with a result, oldest first: `202611-1`."""
    results = [
        partition.result
        for partition in sorted(partitions, key=lambda partition: partition.partition)
        if partition.result
    ]
    return [result.rpartition("-")[0] for result in results[-most:]]


def signal_record(signal: DriftSignal, decision: DriftDecision) -> SignalRecord:
    """Return the ledger's record of a signal and of the decision about it."""
    return SignalRecord(
        id=signal.id,
        source=signal.source,
        about=signal.about,
        at=signal.at,
        breached=signal.breached,
        counts=signal.counts,
        taken=decision.taken,
        why=decision.why,
        evidence=signal.evidence,
    )


def with_signal(model: Model, signal: SignalRecord) -> Model:
    """Return the model's record with one more signal. Only the newest 100 are kept."""
    return model.model_copy(update={"signals": [*model.signals, signal][-_MOST_SIGNALS:]})


def with_retraining(model: Model, retraining: Retraining) -> Model:
    """Return the model's record with a retraining under way.

    Its start counts for the cool-down and for the limit per month, whether it succeeds or not.
    """
    starts = [*model.retrained_at, retraining.since][-_MOST_SIGNALS:]
    return model.model_copy(update={"retraining": retraining, "retrained_at": starts})


def due_renewal(model: Model, renew: Renew, now: datetime, zone: ZoneInfo) -> str | None:
    """Return the month whose renewal is due now and has no signal yet, or None."""
    local = now.astimezone(zone)
    hour, minute = (int(part) for part in renew.at.split(":")[:2])
    due = local.replace(day=renew.day, hour=hour, minute=minute, second=0, microsecond=0)
    late_h = (local - due).total_seconds() / 3600
    month = f"{local:%Y%m}"
    known = any(signal.source == "renew" and signal.about == month for signal in model.signals)
    return None if known or not 0 <= late_h < _LATEST_RENEWAL_H else month


def _window(model: Model, signal: DriftSignal, size: int) -> list[DriftSignal | SignalRecord]:
    """Return the newest signals since the last training, one for each `about` of each source."""
    since = max(model.retrained_at, default=None)
    newest: dict[tuple[str, str], DriftSignal | SignalRecord] = {}
    signals: list[DriftSignal | SignalRecord] = [*model.signals, signal]
    for candidate in signals:
        if candidate.source == "renew" or not candidate.counts or (since and candidate.at <= since):
            continue
        newest.pop((candidate.source, candidate.about), None)
        newest[(candidate.source, candidate.about)] = candidate
    return list(newest.values())[-size:]


def _obstacle(model: Model, drift: Drift, now: datetime, zone: ZoneInfo) -> str | None:
    if model.retraining:
        return f"a retraining is under way: {model.retraining.job}"
    last = max(model.retrained_at, default=None)
    if last and now < last + drift.cooldown:
        until = last + drift.cooldown
        times = f"{last:%Y-%m-%d %H:%M %Z}; the cool-down ends at {until:%Y-%m-%d %H:%M %Z}"
        return f"the model was trained at {times}"
    month = f"{now.astimezone(zone):%Y%m}"
    trainings = sum(f"{at.astimezone(zone):%Y%m}" == month for at in model.retrained_at)
    if trainings >= drift.per_month:
        return f"the model was trained {trainings} times this month; per_month allows {drift.per_month}"
    return None
