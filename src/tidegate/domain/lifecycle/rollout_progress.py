"""The record of a rollout: how it begins, moves on and ends."""

from datetime import datetime

from tidegate.config.model_policy import AnyRollout
from tidegate.domain.lifecycle.health import DeploymentHealth, SmokeTestResult
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout_records import RolloutRecord, RolloutStep
from tidegate.domain.lifecycle.rollout_steps import EndpointSnapshot, RolloutTarget

_SMOKE_TRIES = 3


def begin_rollout(
    target: RolloutTarget, endpoint: EndpointSnapshot | None, since: datetime, *, restoring: bool
) -> RolloutRecord:
    """Return the record of a new rollout. If the rollout cannot start, the record says that it has ended.

    `since` is the time of the promotion or rollback, so that a repeated start gives the same record.
    """
    live = list(endpoint.traffic) if endpoint else []
    others = [name for name in live if name != target.deployment]
    record = RolloutRecord(
        endpoint=target.endpoint,
        kind=target.kind,
        deployment=target.deployment,
        before=max(others, key=lambda name: endpoint.traffic[name]) if endpoint and others else None,
        phase="deploying",
        restoring=restoring,
        began_at=since,
    )
    if len(live) > 1 and not restoring:
        split = (
            f"traffic of {target.endpoint} is split between {', '.join(live)}: give one of them all traffic"
        )
        return ended(record, "rolled_back", since, split)
    return record


def after_smoke(
    record: RolloutRecord, answer: SmokeTestResult, policy: AnyRollout, now: datetime
) -> RolloutRecord:
    """Return the record after a smoke test.

    A new deployment may be slow at first, so only the third failure counts.
    """
    tries = record.smoke_tries + 1
    tested = record.model_copy(update={"smoke_tries": tries, "smoke": answer.words, "smoke_job": None})
    if answer.ok:
        return next_step(tested, policy, now)
    if tries < _SMOKE_TRIES:
        return tested
    return failing(tested, f"the smoke test failed {tries} times: {answer.words}")


def after_health(
    record: RolloutRecord, health: DeploymentHealth, policy: AnyRollout, now: datetime, *, last: bool
) -> RolloutRecord:
    """Return the record after a measurement: failing, unchanged, or (at the end) at its next step."""
    step = record.steps[-1].model_copy(update={"health": health.figures})
    measured = record.model_copy(update={"steps": [*record.steps[:-1], step]})
    if health.problem:
        return failing(measured, f"at {_share_text(step)} {health.problem}")
    return next_step(measured, policy, now) if last else measured


def failing(record: RolloutRecord, why: str) -> RolloutRecord:
    """Return the record of a failed rollout. Its deployment will lose its traffic and be deleted."""
    return record.model_copy(update={"phase": "failing", "why": why, "due": None})


def refused(record: RolloutRecord, why: str, now: datetime) -> RolloutRecord:
    """Return the record after Azure refused an action permanently, so that a repetition would not help."""
    if record.phase == "cleaning":
        return ended(record, "done", now)
    if record.phase == "failing":
        return ended(record, "rolled_back", now, f"{record.why}; traffic could not be given back: {why}")
    return failing(record, why)


def may_become_champion(record: RolloutRecord) -> bool:
    """Return whether the last bake time is over, so that the version becomes champion."""
    return record.phase in ("cleaning", "done")


def unrestored(champion: ModelVersion | None) -> bool:
    """Return whether a rollback made this version champion without being able to restore its endpoint."""
    rollout = champion.rollout if champion else None
    return rollout is not None and rollout.restoring and rollout.phase == "rolled_back"


def next_step(record: RolloutRecord, policy: AnyRollout, now: datetime) -> RolloutRecord:
    """Return the record at its next share of traffic, or cleaning up if there is none left."""
    reached = record.steps[-1].percent if record.steps else -1
    alone = record.before is None or record.restoring
    if policy.mirror and not alone and not record.steps:
        step = RolloutStep(percent=0, mirror=policy.mirror, began_at=now)
    else:
        left = [percent for percent in ([100] if alone else policy.steps) if percent > max(reached, 0)]
        if not left:
            return record.model_copy(update={"phase": "cleaning", "due": None})
        step = RolloutStep(percent=left[0], began_at=now)
    return record.model_copy(update={"phase": "traffic", "due": None, "steps": [*record.steps, step]})


def changed_by_hand(record: RolloutRecord, what: str, now: datetime) -> RolloutRecord:
    """Return the record of a rollout that ends because a person changed the endpoint."""
    return ended(
        record,
        "rolled_back",
        now,
        f"{record.endpoint} was changed by hand: {what}; it is left unchanged",
    )


def ended(record: RolloutRecord, phase: str, now: datetime, why: str | None = None) -> RolloutRecord:
    """Return the record of a rollout that has ended."""
    return record.model_copy(update={"phase": phase, "ended_at": now, "due": None, "why": why})


def _share_text(step: RolloutStep) -> str:
    return f"{step.mirror} % mirrored" if step.mirror else f"{step.percent} %"


def cause_time(record: ModelVersion, model: Model) -> datetime | None:
    """Return the time of the promotion or rollback that led to a rollout.

    The activities of the rollout are named by this time, so that a repetition records them only once.
    """
    if record.state is ModelState.CHAMPION:
        return model.champion.since if model.champion else None
    return record.promotion.ended_at if record.promotion else None


def is_to_be_restored(record: ModelVersion, model: Model) -> bool:
    """Return whether a rollback made the version champion after its own rollout had ended."""
    rollout, champion = record.rollout, model.champion
    if record.state is not ModelState.CHAMPION or not rollout or not champion or not rollout.ended_at:
        return False
    return champion.source == record.version and champion.since > rollout.ended_at
