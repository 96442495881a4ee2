"""Managed online endpoints of a workspace: seen, and operations on them begun. Waits for none of them.

Through ARM itself: the SDK's pollers stay in a thread until an operation has ended, for up to 20 minutes.
https://learn.microsoft.com/rest/api/azureml/online-deployments/create-or-update
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.config.model_policy import Rollout
from tidegate.config.schema import WorkspaceConfig
from tidegate.domain.lifecycle.rollout_steps import DeploymentSnapshot, EndpointSnapshot, RolloutTarget
from tidegate.errors import ConflictError, NotFoundError
from tidegate.log import Log

log = Log(__name__)

_API = "2024-04-01"
_KEPT_BESIDE = ("location", "tags", "kind", "identity")
_KEPT = ("authMode", "description", "properties", "publicNetworkAccess")


class EndpointClient:
    """Whoever begins something looks again later: what Azure refuses with 409 is as well begun later."""

    def __init__(self, workspace: WorkspaceConfig, arm: ArmClient) -> None:
        self._workspace = workspace
        self._arm = arm

    def get(self, name: str) -> EndpointSnapshot | None:
        """None where there is no such endpoint."""
        try:
            endpoint = self._arm.get(self.id(name), _API)["properties"]
        except NotFoundError:
            return None
        return EndpointSnapshot(
            state=str(endpoint.get("provisioningState")),
            traffic=_shares(endpoint.get("traffic")),
            mirror=_shares(endpoint.get("mirrorTraffic")),
            deployments={
                one["name"]: DeploymentSnapshot(
                    state=str(one["properties"].get("provisioningState")),
                    model=str(one["properties"].get("model") or ""),
                )
                for one in self._arm.list(f"{self.id(name)}/deployments", _API)
            },
        )

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        """An endpoint with keys; one that people made before keeps its way of letting callers in."""
        body = {
            "location": self._location,
            "tags": dict(tags),
            "kind": "Managed",
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}},
        }
        self._begin(f"endpoint {name}", lambda: self._arm.put(self.id(name), _API, body))

    def deploy(self, target: RolloutTarget, rollout: Rollout, tags: Mapping[str, str]) -> None:
        """An MLflow model, which needs no script and no environment."""
        body = {
            "location": self._location,
            "tags": dict(tags),
            "kind": "Managed",
            "sku": {"name": "Default", "tier": "Standard", "capacity": rollout.instance_count},
            "properties": {
                "endpointComputeType": "Managed",
                "model": target.model,
                "instanceType": rollout.instance_type,
                "scaleSettings": {"scaleType": "Default"},
            },
        }
        path = self.id(target.endpoint, target.deployment)
        self._begin(f"deployment {target.deployment}", lambda: self._arm.put(path, _API, body))

    def set_traffic(self, name: str, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        """Give each deployment its share; what else is said about the endpoint stays."""
        found = self._arm.get(self.id(name), _API)
        properties = {key: found["properties"].get(key) for key in _KEPT}
        properties |= {"traffic": dict(traffic), "mirrorTraffic": dict(mirror)}
        body = {key: value for key, value in found.items() if key in _KEPT_BESIDE} | {
            "properties": properties
        }
        self._begin(f"traffic of {name}", lambda: self._arm.put(self.id(name), _API, body))

    def delete_deployment(self, name: str, deployment: str) -> None:
        path = self.id(name, deployment)
        self._begin(f"end of {deployment}", lambda: self._arm.delete(path, _API))

    def log_tail(self, name: str, deployment: str, lines: int) -> str:
        """The last that the deployment's container wrote; nothing where there is none."""
        try:
            path = f"{self.id(name, deployment)}/getLogs"
            return str(self._arm.post(path, _API, {"tail": lines}).get("content") or "")
        except NotFoundError:
            return ""

    def id(self, name: str, deployment: str = "") -> str:
        below = f"/deployments/{deployment}" if deployment else ""
        return f"{self._workspace.arm_id}/onlineEndpoints/{name}{below}"

    @property
    def _location(self) -> str:
        return str(self._arm.get(self._workspace.arm_id, _API)["location"])

    def _begin(self, what: str, operation: Callable[[], None]) -> None:
        try:
            operation()
            log.info("operation_begun", what=what)
        except ConflictError as error:
            log.info("operation_goes_on", what=what, error=error)


def _shares(given: Any) -> dict[str, int]:
    return {str(name): int(share) for name, share in (given or {}).items() if share}
