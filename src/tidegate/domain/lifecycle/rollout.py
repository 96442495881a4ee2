"""How a version takes over an endpoint's traffic, step by step, or gives it back. Pure.

Decided by the endpoint as it is: a person who changes it meanwhile is not fought with.
"""

from collections.abc import Mapping
from datetime import datetime

from tidegate.config.model_policy import Rollout
from tidegate.domain.lifecycle.health import DeploymentHealth, SmokeTestResult
from tidegate.domain.lifecycle.names import deployment_name
from tidegate.domain.lifecycle.records import ModelVersion, RolloutRecord, RolloutStep
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    EndpointSnapshot,
    MeasureHealth,
    RolloutAction,
    RolloutSettled,
    RolloutTarget,
    RunSmokeTest,
    SetTraffic,
    UpdateRecord,
    WaitForEndpoint,
)

_SMOKE_TRIES = 3
_RESTORING_TRIES = 3


def begin_rollout(
    target: RolloutTarget, seen: EndpointSnapshot | None, since: datetime, *, restoring: bool
) -> RolloutRecord:
    """The record of a rollout that begins; one that cannot begins with its end.

    `since` is when it was promoted, or rolled back to: the same however often the beginning is repeated.
    """
    live = list(seen.traffic) if seen else []
    others = [name for name in live if name != target.deployment]
    record = RolloutRecord(
        endpoint=target.endpoint,
        deployment=target.deployment,
        before=max(others, key=lambda name: seen.traffic[name]) if seen and others else None,
        phase="deploying",
        restoring=restoring,
        began_at=since,
    )
    if len(live) > 1 and not restoring:
        split = f"traffic of {target.endpoint} is split between {', '.join(live)}: give all of it to one"
        return _ended(record, "rolled_back", since, split)
    return record


def decide_step(
    record: RolloutRecord, seen: EndpointSnapshot | None, model: str, policy: Rollout, now: datetime
) -> RolloutAction:
    """What is next, where `model` is what the deployment is to serve."""
    if record.final:
        return RolloutSettled()
    if seen and seen.busy:
        return WaitForEndpoint(seen.busy)
    step: RolloutAction
    match record.phase:
        case "deploying":
            step = _deploying(record, seen, model, policy, now)
        case "smoke" if seen and record.deployment in seen.deployments:
            step = RunSmokeTest()
        case "traffic" if seen:
            step = _traffic(record, seen, policy, now)
        case "baking" if seen:
            step = _baking(record, seen, now)
        case "cleaning":
            step = _cleaning(record, seen, model, now)
        case "failing":
            step = _failing(record, seen, now)
        case _:
            step = UpdateRecord(_by_hand(record, "what was deployed is gone", now))
    return step


def after_smoke(
    record: RolloutRecord, answer: SmokeTestResult, policy: Rollout, now: datetime
) -> RolloutRecord:
    """A deployment that just started may be slow once: only the third failure counts."""
    tries = record.smoke_tries + 1
    tried = record.model_copy(update={"smoke_tries": tries, "smoke": answer.words})
    if answer.ok:
        return _next(tried, policy, now)
    if tries < _SMOKE_TRIES:
        return tried
    return failing(tried, f"the smoke test failed {tries} times: {answer.words}")


def after_health(
    record: RolloutRecord, health: DeploymentHealth, policy: Rollout, now: datetime, *, last: bool
) -> RolloutRecord:
    """Too few requests to say anything change nothing, as long as there is time."""
    step = record.steps[-1].model_copy(update={"health": health.figures})
    seen = record.model_copy(update={"steps": [*record.steps[:-1], step]})
    if health.problem:
        return failing(seen, f"at {_share(step)} {health.problem}")
    return _next(seen, policy, now) if last else seen


def failing(record: RolloutRecord, why: str) -> RolloutRecord:
    """Traffic goes back, and the new deployment goes."""
    return record.model_copy(update={"phase": "failing", "why": why, "due": None})


def refused(record: RolloutRecord, why: str, now: datetime) -> RolloutRecord:
    """Azure does not do what the next step asks for, and would not if it were asked again."""
    if record.phase == "cleaning":
        return _ended(record, "done", now)
    if record.phase == "failing":
        return _ended(record, "rolled_back", now, f"{record.why}; traffic could not go back: {why}")
    return failing(record, why)


def may_become_champion(record: RolloutRecord) -> bool:
    """Whether the last bake is over: the version is to be champion."""
    return record.phase in ("cleaning", "done")


def unrestored(champion: ModelVersion | None) -> bool:
    """Whether a rollback made it champion, and could not bring back its endpoint."""
    rollout = champion.rollout if champion else None
    return rollout is not None and rollout.restoring and rollout.phase == "rolled_back"


def _deploying(
    record: RolloutRecord, seen: EndpointSnapshot | None, model: str, policy: Rollout, now: datetime
) -> RolloutAction:
    if seen is None:
        return CreateEndpoint()
    found = seen.deployments.get(record.deployment)
    if found is None and seen.state == "Succeeded":
        return CreateDeployment()
    if found and found.model.lower() != model.lower():
        return UpdateRecord(
            _by_hand(record, f"{record.deployment} serves {found.model}, which is not ours", now)
        )
    if found is None or found.state != "Succeeded":
        what = f"the deployment is {found.state}" if found else f"endpoint {record.endpoint} is {seen.state}"
        return UpdateRecord(failing(record, what))
    ready = record.model_copy(update={"phase": "smoke"})
    return UpdateRecord(_next(record, policy, now) if record.restoring else ready)


def _traffic(record: RolloutRecord, seen: EndpointSnapshot, policy: Rollout, now: datetime) -> RolloutAction:
    if record.deployment not in seen.deployments:
        return UpdateRecord(_by_hand(record, f"{record.deployment} is gone", now))
    there, wanted = (dict(seen.traffic), dict(seen.mirror)), _shares(record, record.steps[-1])
    if there == wanted:
        step = record.steps[-1].model_copy(update={"began_at": now})
        changes = {"phase": "baking", "due": now + policy.bake, "steps": [*record.steps[:-1], step]}
        return UpdateRecord(record.model_copy(update=changes))
    former = _shares(record, record.steps[-2] if len(record.steps) > 1 else RolloutStep.none(now))
    if there == former or record.restoring:
        return SetTraffic(*wanted)
    return UpdateRecord(_by_hand(record, _found(seen, former[0]), now))


def _baking(record: RolloutRecord, seen: EndpointSnapshot, now: datetime) -> RolloutAction:
    step = record.steps[-1]
    if record.deployment not in seen.deployments:
        return UpdateRecord(_by_hand(record, f"{record.deployment} is gone", now))
    wanted, last = _shares(record, step), record.due is None or now >= record.due
    if (dict(seen.traffic), dict(seen.mirror)) != wanted:
        if record.restoring:
            return SetTraffic(*wanted)
        return UpdateRecord(_by_hand(record, _found(seen, wanted[0]), now))
    if not record.restoring:
        return MeasureHealth(step.began_at, last)
    return (
        UpdateRecord(record.model_copy(update={"phase": "cleaning", "due": None}))
        if last
        else WaitForEndpoint("it bakes")
    )


def _cleaning(
    record: RolloutRecord, seen: EndpointSnapshot | None, model: str, now: datetime
) -> RolloutAction:
    """Whoever took the traffic before goes, and what earlier rollouts of the model left."""
    old = {record.before, *(_versions_of(model, seen) if seen else ())} - {record.deployment}
    idle = [name for name in (seen.deployments if seen else ()) if name in old and not _takes_any(seen, name)]
    return DeleteDeployment(idle[0]) if idle else UpdateRecord(_ended(record, "done", now))


def _failing(record: RolloutRecord, seen: EndpointSnapshot | None, now: datetime) -> RolloutAction:
    """Back to what was there before; where nothing was, nobody is served by what failed."""
    name, before = record.deployment, record.before
    if seen and _takes_any(seen, name):
        if before and before not in seen.deployments:
            stays = f"{before}, which had the traffic before, is gone: {name} keeps it"
            return UpdateRecord(_ended(record, "rolled_back", now, f"{record.why}; {stays}"))
        return SetTraffic({before: 100} if before else {}, {})
    if seen and name in seen.deployments:
        return DeleteDeployment(name)
    if record.restoring and record.failed_tries + 1 < _RESTORING_TRIES:
        again = {"phase": "deploying", "steps": [], "failed_tries": record.failed_tries + 1}
        return UpdateRecord(record.model_copy(update=again))
    return UpdateRecord(_ended(record, "rolled_back", now, record.why))


def _next(record: RolloutRecord, policy: Rollout, now: datetime) -> RolloutRecord:
    """The next share; none is left: to the cleaning."""
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


def _shares(record: RolloutRecord, step: RolloutStep) -> tuple[dict[str, int], dict[str, int]]:
    """Traffic and mirrored traffic at a step."""
    shares = {record.deployment: step.percent}
    if record.before:
        shares[record.before] = 100 - step.percent
    mirror = {record.deployment: step.mirror} if step.mirror else {}
    return {name: share for name, share in shares.items() if share}, mirror


def _by_hand(record: RolloutRecord, what: str, now: datetime) -> RolloutRecord:
    return _ended(record, "rolled_back", now, f"{record.endpoint} was changed by hand: {what}; it stays so")


def _found(seen: EndpointSnapshot, expected: Mapping[str, int]) -> str:
    return (
        f"traffic is {dict(seen.traffic) or 'none'}, mirrored {dict(seen.mirror) or 'none'}, not {expected}"
    )


def _ended(record: RolloutRecord, phase: str, now: datetime, why: str | None = None) -> RolloutRecord:
    return record.model_copy(update={"phase": phase, "ended_at": now, "due": None, "why": why})


def _takes_any(seen: EndpointSnapshot | None, name: str) -> bool:
    return bool(seen and (seen.traffic.get(name) or seen.mirror.get(name)))


def _versions_of(model: str, seen: EndpointSnapshot) -> list[str]:
    """Deployments that serve a version of the same model under the name that a rollout gives it."""
    versions = f"{model.rpartition('/')[0]}/".lower()
    return [
        name
        for name, one in seen.deployments.items()
        if one.model.lower().startswith(versions) and name == deployment_name(one.model.rpartition("/")[2])
    ]


def _share(step: RolloutStep) -> str:
    return f"{step.mirror} % mirrored" if step.mirror else f"{step.percent} %"
