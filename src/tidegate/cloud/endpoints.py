"""The managed online endpoints of a workspace.

The module calls ARM directly, because the SDK's pollers would occupy a thread until an operation has ended,
which takes up to 20 minutes. https://learn.microsoft.com/rest/api/azureml/online-deployments/create-or-update
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.config.model_policy import Rollout
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.domain.lifecycle.rollout_steps import DeploymentSnapshot, EndpointSnapshot, RolloutTarget
from tidegate.errors import ConflictError, NotFoundError
from tidegate.log import Log

log = Log(__name__)

_API = "2024-04-01"
# The properties that a change of traffic must send unchanged, because a PUT replaces the whole endpoint.
_UNCHANGED = ("location", "tags", "kind", "identity")
_UNCHANGED_PROPERTIES = ("authMode", "description", "properties", "publicNetworkAccess")


class EndpointClient:
    """A client that reads endpoints and starts operations on them.

    It never waits for an operation. Callers read the endpoint again later. If Azure answers 409 because
    another operation is running, the method returns normally and the caller tries again when it next reads
    the endpoint.
    """

    def __init__(self, workspace: WorkspaceConfig, arm: ArmClient) -> None:
        self._workspace = workspace
        self._arm = arm

    def get(self, name: str) -> EndpointSnapshot | None:
        """Return the state, traffic and deployments of an endpoint, or None if it does not exist."""
        try:
            endpoint = self._arm.get(self.id(name), _API)["properties"]
        except NotFoundError:
            return None
        return EndpointSnapshot(
            state=str(endpoint.get("provisioningState")),
            traffic=_shares(endpoint.get("traffic")),
            mirror=_shares(endpoint.get("mirrorTraffic")),
            deployments={
                deployment["name"]: DeploymentSnapshot(
                    state=str(deployment["properties"].get("provisioningState")),
                    model=str(deployment["properties"].get("model") or ""),
                )
                for deployment in self._arm.list(f"{self.id(name)}/deployments", _API)
            },
        )

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        """Start to create an endpoint whose callers authenticate with a key."""
        body = {
            "location": self._location,
            "tags": dict(tags),
            "kind": "Managed",
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}},
        }
        self._start(f"endpoint {name}", lambda: self._arm.put(self.id(name), _API, body))

    def deploy(self, target: RolloutTarget, rollout: Rollout, tags: Mapping[str, str]) -> None:
        """Start to deploy an MLflow model, which needs neither a scoring script nor an environment."""
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
        self._start(f"deployment {target.deployment}", lambda: self._arm.put(path, _API, body))

    def set_traffic(self, name: str, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        """Start to change the shares of traffic of an endpoint's deployments.

        `traffic` and `mirror` have the percentage of each deployment. All other settings of the endpoint stay
        the same. This includes the authentication mode of an endpoint that a person created.
        """
        endpoint = self._arm.get(self.id(name), _API)
        properties = {key: endpoint["properties"].get(key) for key in _UNCHANGED_PROPERTIES}
        properties |= {"traffic": dict(traffic), "mirrorTraffic": dict(mirror)}
        body = {key: value for key, value in endpoint.items() if key in _UNCHANGED}
        body |= {"properties": properties}
        self._start(f"traffic of {name}", lambda: self._arm.put(self.id(name), _API, body))

    def delete_deployment(self, name: str, deployment: str) -> None:
        """Start to delete a deployment."""
        path = self.id(name, deployment)
        self._start(f"deletion of {deployment}", lambda: self._arm.delete(path, _API))

    def log_tail(self, name: str, deployment: str, lines: int) -> str:
        """Return the last lines of the log of a deployment's container, or "" if there is no log."""
        try:
            path = f"{self.id(name, deployment)}/getLogs"
            return str(self._arm.post(path, _API, {"tail": lines}).get("content") or "")
        except NotFoundError:
            return ""

    def id(self, name: str, deployment: str = "") -> str:
        """Return the ARM id of an endpoint, or of one of its deployments."""
        below = f"/deployments/{deployment}" if deployment else ""
        return f"{self._workspace.arm_id}/onlineEndpoints/{name}{below}"

    @property
    def _location(self) -> str:
        return str(self._arm.get(self._workspace.arm_id, _API)["location"])

    def _start(self, what: str, operation: Callable[[], None]) -> None:
        try:
            operation()
            log.info("operation_started", what=what)
        except ConflictError as error:
            log.info("other_operation_running", what=what, error=error)


def _shares(traffic: Any) -> dict[str, int]:
    return {str(name): int(share) for name, share in (traffic or {}).items() if share}
