"""The managed online endpoints of a workspace.

The module calls ARM directly, because the SDK's pollers would occupy a thread until an operation has ended,
which takes up to 20 minutes. https://learn.microsoft.com/rest/api/azureml/online-deployments/create-or-update
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.config.model_policy import AnyRollout, Rollout
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.domain.lifecycle.rollout_steps import (
    DeploymentSnapshot,
    EndpointSnapshot,
    RolloutTarget,
    SetTraffic,
)
from tidegate.errors import ConflictError, NotFoundError
from tidegate.log import Log

log = Log(__name__)

API = "2024-04-01"
# What a change of traffic must send unchanged, because a PUT replaces the whole endpoint.
_UNCHANGED = ("location", "tags", "kind", "identity")
_OF_SCRIPT = ("codeConfiguration", "environmentId", "environmentVariables")


class EndpointClient:
    """A client that reads endpoints and starts operations on them.

    It never waits for an operation. Callers read the endpoint again later. If Azure answers 409 because
    another operation is running, the method returns normally and the caller tries again when it next reads
    the endpoint.
    """

    collection = "onlineEndpoints"
    # These properties stay unchanged, too.
    properties: tuple[str, ...] = ("authMode", "description", "properties", "publicNetworkAccess")

    def __init__(self, workspace: WorkspaceConfig, arm: ArmClient) -> None:
        self._workspace = workspace
        self._arm = arm

    def get(self, name: str) -> EndpointSnapshot | None:
        """Return the state, traffic and deployments of an endpoint, or None if it does not exist."""
        try:
            endpoint = self._arm.get(self.id(name), API)["properties"]
        except NotFoundError:
            return None
        return EndpointSnapshot(
            state=str(endpoint.get("provisioningState")),
            traffic=self._traffic(endpoint),
            mirror=_positive(endpoint.get("mirrorTraffic")),
            deployments={
                deployment["name"]: DeploymentSnapshot(
                    state=str(deployment["properties"].get("provisioningState")),
                    model=self._model(deployment["properties"]),
                )
                for deployment in self._arm.list(f"{self.id(name)}/deployments", API)
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
        self._start(f"endpoint {name}", lambda: self._arm.put(self.id(name), API, body))

    def deploy(self, target: RolloutTarget, rollout: AnyRollout, tags: Mapping[str, str]) -> None:
        """Start to deploy a model with the script and the environment of the deployment that has the traffic.

        Without one the model is deployed as it is, as MLflow models need neither.
        """
        assert isinstance(rollout, Rollout)
        live = self._live(target.endpoint) or {}
        script = {key: live[key] for key in _OF_SCRIPT if live.get(key)} if live.get(_OF_SCRIPT[0]) else {}
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
                **script,
            },
        }
        path = self.id(target.endpoint, target.deployment)
        self._start(f"deployment {target.deployment}", lambda: self._arm.put(path, API, body))

    def set_traffic(self, name: str, shares: SetTraffic) -> None:
        """Start to change the shares of traffic of an endpoint's deployments.

        All other settings of the endpoint stay the same. This includes the authentication mode of an endpoint
        that a person created.
        """
        endpoint = self._arm.get(self.id(name), API)
        properties = {key: endpoint["properties"].get(key) for key in self.properties}
        properties |= self._shares(shares)
        body = {key: value for key, value in endpoint.items() if key in _UNCHANGED}
        body |= {"properties": properties}
        self._start(f"traffic of {name}", lambda: self._arm.put(self.id(name), API, body))

    def delete_deployment(self, name: str, deployment: str) -> None:
        """Start to delete a deployment."""
        path = self.id(name, deployment)
        self._start(f"deletion of {deployment}", lambda: self._arm.delete(path, API))

    def log_tail(self, name: str, deployment: str, lines: int) -> str:
        """Return the last lines of the log of a deployment's container, or "" if there is no log."""
        try:
            path = f"{self.id(name, deployment)}/getLogs"
            return str(self._arm.post(path, API, {"tail": lines}).get("content") or "")
        except NotFoundError:
            return ""

    def id(self, name: str, deployment: str = "") -> str:
        """Return the ARM id of an endpoint, or of one of its deployments."""
        below = f"/deployments/{deployment}" if deployment else ""
        return f"{self._workspace.arm_id}/{self.collection}/{name}{below}"

    def _live(self, name: str) -> dict[str, Any] | None:
        """Return the properties of the deployment with the greatest share of the traffic, or None."""
        traffic = self._traffic(self._arm.get(self.id(name), API)["properties"])
        deployment = max(traffic, key=lambda each: traffic[each], default=None)
        return dict(self._arm.get(self.id(name, deployment), API)["properties"]) if deployment else None

    def _traffic(self, properties: Mapping[str, Any]) -> dict[str, int]:
        return _positive(properties.get("traffic"))

    def _shares(self, shares: SetTraffic) -> dict[str, Any]:
        """Return the properties of an endpoint with these shares."""
        return {"traffic": dict(shares.traffic), "mirrorTraffic": dict(shares.mirror)}

    def _model(self, properties: Mapping[str, Any]) -> str:
        """Return the id of a deployment's model."""
        return str(properties.get("model") or "")

    @property
    def _location(self) -> str:
        return str(self._arm.get(self._workspace.arm_id, API)["location"])

    def _start(self, what: str, operation: Callable[[], None]) -> None:
        try:
            operation()
            log.info("operation_started", what=what)
        except ConflictError as error:
            log.info("other_operation_running", what=what, error=error)


def _positive(traffic: Any) -> dict[str, int]:
    return {str(name): int(share) for name, share in (traffic or {}).items() if share}
