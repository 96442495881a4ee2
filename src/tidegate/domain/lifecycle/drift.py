"""Whether signals of drift mean that a model is trained anew. One decision for all sources. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tidegate.config.model_policy import Drift, Renew
from tidegate.domain.lifecycle.drift_signals import DriftSignal
from tidegate.domain.lifecycle.records import Model, Retraining, SignalRecord
from tidegate.domain.partitions.records import Month

_MOST_SIGNALS = 100
_LATEST_RENEWAL_H = 24  # after an installation, or a long pause, the next month's will do


@dataclass(frozen=True)
class DriftDecision:
    """Whether to train, and why or why not."""

    taken: bool
    why: str


def decide_drift(
    model: Model, signal: DriftSignal, drift: Drift, now: datetime, zone: ZoneInfo
) -> DriftDecision:
    """What a signal means after those that the model's record has."""
    if not signal.counts:
        return DriftDecision(False, signal.why)
    if signal.source != "renew":
        if not signal.breached:
            return DriftDecision(False, "no drift")
        window = _window(model, signal, drift.of_last)
        breaches = sum(one.breached for one in window)
        if breaches < drift.breaches:
            asked = f"{drift.breaches} of the last {drift.of_last} are asked for"
            return DriftDecision(
                False, f"{breaches} of {len(window)} signals breached since the last training; {asked}"
            )
    if obstacle := _obstacle(model, drift, now, zone):
        return DriftDecision(False, obstacle)
    return DriftDecision(True, signal.why)


def scored_months(months: Sequence[Month], most: int) -> list[str]:
    """The Data asset versions behind the current results of the newest months, oldest first: `202611-1`."""
    results = [month.result for month in sorted(months, key=lambda one: one.month) if month.result]
    return [result.rpartition("-")[0] for result in results[-most:]]


def with_signal(model: Model, signal: DriftSignal, decision: DriftDecision) -> SignalRecord:
    """Note a signal and what was decided in the model's record, of which the newest are kept."""
    record = SignalRecord(
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
    model.signals = [*model.signals, record][-_MOST_SIGNALS:]
    return record


def with_retraining(model: Model, retraining: Retraining) -> None:
    """Claim the model's one retraining; its beginning counts for the cool-down, whatever comes of it."""
    model.retraining = retraining
    model.retrained_at = [*model.retrained_at, retraining.since][-_MOST_SIGNALS:]


def due_renewal(model: Model, renew: Renew, now: datetime, zone: ZoneInfo) -> str | None:
    """The month whose renewal is due now and was not weighed yet."""
    local = now.astimezone(zone)
    hour, minute = (int(part) for part in renew.at.split(":")[:2])
    due = local.replace(day=renew.day, hour=hour, minute=minute, second=0, microsecond=0)
    late_h = (local - due).total_seconds() / 3600
    month = f"{local:%Y%m}"
    known = any(one.source == "renew" and one.about == month for one in model.signals)
    return None if known or not 0 <= late_h < _LATEST_RENEWAL_H else month


def _window(model: Model, signal: DriftSignal, size: int) -> list[DriftSignal | SignalRecord]:
    """The newest signals since the last training, one for each thing that they are about."""
    since = max(model.retrained_at, default=None)
    newest: dict[tuple[str, str], DriftSignal | SignalRecord] = {}
    every: list[DriftSignal | SignalRecord] = [*model.signals, signal]
    for one in every:
        if one.source == "renew" or not one.counts or (since and one.at <= since):
            continue
        newest.pop((one.source, one.about), None)
        newest[(one.source, one.about)] = one
    return list(newest.values())[-size:]


def _obstacle(model: Model, drift: Drift, now: datetime, zone: ZoneInfo) -> str | None:
    if model.retraining:
        return f"a retraining is under way: {model.retraining.job}"
    last = max(model.retrained_at, default=None)
    if last and now < last + drift.cooldown:
        until = last + drift.cooldown
        return f"it was trained at {last:%Y-%m-%d %H:%M %Z}; its cool-down ends at {until:%Y-%m-%d %H:%M %Z}"
    month = f"{now.astimezone(zone):%Y%m}"
    done = sum(f"{at.astimezone(zone):%Y%m}" == month for at in model.retrained_at)
    if done >= drift.per_month:
        return f"it was trained {done} times this month, and may be {drift.per_month} times"
    return None
