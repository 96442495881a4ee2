"""The time limits of a rollout whose endpoint is busy: when to announce it, and when it is a failed step."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.config.model_policy import AnyRollout
from tidegate.domain.lifecycle.rollout_progress import ended, failing
from tidegate.domain.lifecycle.rollout_records import RolloutRecord


@dataclass(frozen=True)
class WaitLonger:
    """The endpoint is busy, and no limit has passed. The record says since when."""

    record: RolloutRecord


@dataclass(frozen=True)
class AnnounceStuck:
    """The endpoint is busy for longer than `announce_after`. Notify people once."""

    record: RolloutRecord


@dataclass(frozen=True)
class StepFailed:
    """The endpoint is busy for longer than `fail_after`.

    If `delete`, the new deployment has no traffic and is deleted as soon as Azure accepts that.
    """

    record: RolloutRecord
    delete: bool


BusyDecision = WaitLonger | AnnounceStuck | StepFailed


def busy_since(record: RolloutRecord, now: datetime) -> datetime:
    """Return since when the endpoint is known to be busy. A new deployment is created from the start on."""
    first = record.began_at if record.phase == "deploying" and not record.failed_tries else now
    return record.busy_since or first


def decide_busy(
    record: RolloutRecord, busy: str, policy: AnyRollout, now: datetime, *, has_traffic: bool
) -> BusyDecision:
    """Decide what to do while an operation on the endpoint is under way.

    `busy` says which operation. `has_traffic` says whether the new deployment receives requests: then the
    rollout cannot end before the traffic is given back.
    """
    since = busy_since(record, now)
    waited = record.model_copy(update={"busy_since": since})
    if now - since >= policy.fail_after and not (record.phase == "failing" and has_traffic):
        why = f"{busy} since {since:%Y-%m-%d %H:%M:%S %Z}, which is longer than fail_after allows"
        return _failed(waited, why, now, has_traffic=has_traffic)
    if now - since >= policy.announce_after and not record.stuck_announced:
        return AnnounceStuck(waited.model_copy(update={"stuck_announced": True}))
    return WaitLonger(waited)


def no_longer_busy(record: RolloutRecord) -> RolloutRecord:
    """Return the record of a rollout whose endpoint accepts changes again."""
    return record.model_copy(update={"busy_since": None, "stuck_announced": False})


def _failed(record: RolloutRecord, why: str, now: datetime, *, has_traffic: bool) -> StepFailed:
    if record.phase == "cleaning":
        return StepFailed(ended(record, "done", now), delete=False)
    if has_traffic:
        return StepFailed(failing(record, why), delete=False)
    reason = f"{record.why}; {why}" if record.why else why
    return StepFailed(ended(record, "rolled_back", now, reason), delete=True)
