"""The decisions of a rollout: how a version takes over an endpoint's traffic, or loses it again.

Each decision is based on the present state of the endpoint. If a person has changed the endpoint, the rollout
ends, and the service does not change the endpoint any more.
"""

from collections.abc import Mapping
from datetime import datetime

from tidegate.config.model_policy import AnyRollout
from tidegate.domain.lifecycle.names import deployment_name
from tidegate.domain.lifecycle.rollout_progress import changed_by_hand, ended, failing, next_step, refused
from tidegate.domain.lifecycle.rollout_records import RolloutRecord, RolloutStep
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    EndpointSnapshot,
    MeasureHealth,
    RolloutAction,
    RolloutSettled,
    RunSmokeTest,
    SetTraffic,
    UpdateRecord,
    WaitForEndpoint,
)

_RESTORING_TRIES = 3
_OTHER_KIND = "tidegate.yml names an endpoint of another kind now"


def decide_step(
    record: RolloutRecord, endpoint: EndpointSnapshot | None, model: str, policy: AnyRollout, now: datetime
) -> RolloutAction:
    """Decide the next action of a rollout whose deployment serves `model`."""
    if record.final:
        return RolloutSettled()
    if endpoint and endpoint.busy:
        return WaitForEndpoint(endpoint.busy)
    if record.kind != policy.kind and record.phase != "failing":
        return UpdateRecord(refused(record, _OTHER_KIND, now))
    action: RolloutAction
    match record.phase:
        case "deploying":
            action = _deploying(record, endpoint, model, policy, now)
        case "smoke" if endpoint and record.deployment in endpoint.deployments:
            action = RunSmokeTest()
        case "traffic" if endpoint:
            action = _traffic(record, endpoint, policy, now)
        case "baking" if endpoint:
            action = _baking(record, endpoint, now)
        case "cleaning":
            action = _cleaning(record, endpoint, model, now)
        case "failing":
            action = _failing(record, endpoint, now)
        case _:
            action = UpdateRecord(changed_by_hand(record, "the deployment is gone", now))
    return action


def _deploying(
    record: RolloutRecord, endpoint: EndpointSnapshot | None, model: str, policy: AnyRollout, now: datetime
) -> RolloutAction:
    if endpoint is None:
        return CreateEndpoint()
    deployment = endpoint.deployments.get(record.deployment)
    if deployment is None and endpoint.state == "Succeeded":
        return CreateDeployment()
    if deployment and deployment.model.lower() != model.lower():
        other = f"{record.deployment} serves {deployment.model}, which is not the promoted model"
        return UpdateRecord(changed_by_hand(record, other, now))
    if deployment is None or deployment.state != "Succeeded":
        endpoint_state = f"endpoint {record.endpoint} is {endpoint.state}"
        why = f"the deployment is {deployment.state}" if deployment else endpoint_state
        return UpdateRecord(failing(record, why))
    ready = record.model_copy(update={"phase": "smoke"})
    return UpdateRecord(next_step(record, policy, now) if record.restoring else ready)


def _traffic(
    record: RolloutRecord, endpoint: EndpointSnapshot, policy: AnyRollout, now: datetime
) -> RolloutAction:
    if record.deployment not in endpoint.deployments:
        return UpdateRecord(changed_by_hand(record, f"{record.deployment} is gone", now))
    expected = _shares(record, record.steps[-1])
    actual = SetTraffic(dict(endpoint.traffic), dict(endpoint.mirror))
    if actual == expected:
        step = record.steps[-1].model_copy(update={"began_at": now})
        changes = {"phase": "baking", "due": now + policy.bake, "steps": [*record.steps[:-1], step]}
        return UpdateRecord(record.model_copy(update=changes))
    former = _shares(record, record.steps[-2] if len(record.steps) > 1 else RolloutStep.none(now))
    if actual == former or record.restoring:
        return expected
    return UpdateRecord(changed_by_hand(record, _other_traffic(endpoint, former.traffic), now))


def _baking(record: RolloutRecord, endpoint: EndpointSnapshot, now: datetime) -> RolloutAction:
    step = record.steps[-1]
    if record.deployment not in endpoint.deployments:
        return UpdateRecord(changed_by_hand(record, f"{record.deployment} is gone", now))
    expected, last = _shares(record, step), record.due is None or now >= record.due
    if SetTraffic(dict(endpoint.traffic), dict(endpoint.mirror)) != expected:
        if record.restoring:
            return expected
        return UpdateRecord(changed_by_hand(record, _other_traffic(endpoint, expected.traffic), now))
    if not record.restoring and record.kind == "online":
        return MeasureHealth(step.began_at, last)
    if last:
        return UpdateRecord(record.model_copy(update={"phase": "cleaning", "due": None}))
    return WaitForEndpoint("the bake time is not over")


def _cleaning(
    record: RolloutRecord, endpoint: EndpointSnapshot | None, model: str, now: datetime
) -> RolloutAction:
    """Delete the deployment that had the traffic before, and those that earlier rollouts left.

    A batch endpoint keeps the former default, which costs nothing, for its jobs and for a rollback.
    """
    kept = {record.deployment, record.before if record.kind == "batch" else None}
    old = {record.before, *(_versions_of(model, endpoint) if endpoint else ())} - kept
    deployments = endpoint.deployments if endpoint else ()
    idle = [name for name in deployments if name in old and not _has_traffic(endpoint, name)]
    return DeleteDeployment(idle[0]) if idle else UpdateRecord(ended(record, "done", now))


def _failing(record: RolloutRecord, endpoint: EndpointSnapshot | None, now: datetime) -> RolloutAction:
    """Give the traffic back to the deployment that had it, or to none if there was none."""
    name, before = record.deployment, record.before
    if endpoint and _has_traffic(endpoint, name):
        if before and before not in endpoint.deployments:
            kept = f"{before}, which had the traffic before, is gone: {name} keeps it"
            return UpdateRecord(ended(record, "rolled_back", now, f"{record.why}; {kept}"))
        return SetTraffic({before: 100} if before else {}, {})
    if endpoint and name in endpoint.deployments:
        return DeleteDeployment(name)
    if record.restoring and record.failed_tries + 1 < _RESTORING_TRIES:
        restart = {"phase": "deploying", "steps": [], "failed_tries": record.failed_tries + 1}
        return UpdateRecord(record.model_copy(update=restart))
    return UpdateRecord(ended(record, "rolled_back", now, record.why))


def _shares(record: RolloutRecord, step: RolloutStep) -> SetTraffic:
    """Return the traffic and the mirrored traffic of a step."""
    shares = {record.deployment: step.percent}
    if record.before:
        shares[record.before] = 100 - step.percent
    mirror = {record.deployment: step.mirror} if step.mirror else {}
    return SetTraffic({name: share for name, share in shares.items() if share}, mirror)


def _other_traffic(endpoint: EndpointSnapshot, expected: Mapping[str, int]) -> str:
    traffic, mirror = dict(endpoint.traffic) or "none", dict(endpoint.mirror) or "none"
    return f"traffic is {traffic}, mirrored {mirror}, not {expected}"


def _has_traffic(endpoint: EndpointSnapshot | None, name: str) -> bool:
    return bool(endpoint and (endpoint.traffic.get(name) or endpoint.mirror.get(name)))


def _versions_of(model: str, endpoint: EndpointSnapshot) -> list[str]:
    """Return the deployments that serve a version of the same model under a name that rollouts give."""
    versions = f"{model.rpartition('/')[0]}/".lower()
    return [
        name
        for name, deployment in endpoint.deployments.items()
        if deployment.model.lower().startswith(versions)
        and name == deployment_name(deployment.model.rpartition("/")[2])
    ]
