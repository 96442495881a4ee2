"""The batch endpoints of a workspace. Their default deployment is what their traffic is at online endpoints.

https://learn.microsoft.com/rest/api/azureml/batch-deployments/create-or-update
"""

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.cloud.endpoints import API, EndpointClient
from tidegate.config.model_policy import AnyRollout, BatchRollout
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.domain.lifecycle.rollout_steps import RolloutTarget, SetTraffic
from tidegate.errors import PermanentError


class BatchEndpointClient(EndpointClient):
    """A client that reads batch endpoints and starts operations and jobs on them."""

    collection = "batchEndpoints"
    properties = ("authMode", "description", "properties")

    def __init__(self, workspace: WorkspaceConfig, arm: ArmClient, data_plane: DataPlaneClient) -> None:
        super().__init__(workspace, arm)
        self._data_plane = data_plane

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        """Start to create an endpoint without deployments."""
        body = {"location": self._location, "tags": dict(tags), "properties": {"authMode": "AADToken"}}
        self._start(f"endpoint {name}", lambda: self._arm.put(self.id(name), API, body))

    def deploy(self, target: RolloutTarget, rollout: AnyRollout, tags: Mapping[str, str]) -> None:
        """Start to deploy a model with the settings of the default deployment, such as script and cluster.

        Without one the model is deployed without a script, as MLflow models need none.
        Raise PermanentError if the default deployment runs a pipeline, which has no model to replace.
        """
        assert isinstance(rollout, BatchRollout)
        default = self._live(target.endpoint)
        if default and not default.get("model"):
            raise PermanentError(f"the default deployment of {target.endpoint} has no model to replace")
        settings = default or {"compute": f"{self._workspace.arm_id}/computes/{rollout.compute}"}
        properties = {key: value for key, value in settings.items() if key != "provisioningState"}
        properties["model"] = {"referenceType": "Id", "assetId": target.model}
        body = {"location": self._location, "tags": dict(tags), "properties": properties}
        path = self.id(target.endpoint, target.deployment)
        self._start(f"deployment {target.deployment}", lambda: self._arm.put(path, API, body))

    def invoke(self, target: RolloutTarget, data: str) -> str:
        """Start a job of a deployment on a Data asset `name:version`, and return the job's name."""
        name, _, version = data.partition(":")
        uri = f"{self._workspace.arm_id}/data/{name}/versions/{version}"
        inputs = {"UriFolder": {"jobInputType": "UriFolder", "uri": uri}}
        # By default a job completes although each of its mini-batches failed.
        body = {"properties": {"inputData": inputs, "errorThreshold": 0}}
        endpoint = self._arm.get(self.id(target.endpoint), API)["properties"]
        headers = {"azureml-model-deployment": target.deployment}
        return str(self._data_plane.post_to(str(endpoint["scoringUri"]), body, headers)["name"])

    def _traffic(self, properties: Mapping[str, Any]) -> dict[str, int]:
        default = (properties.get("defaults") or {}).get("deploymentName")
        return {str(default): 100} if default else {}

    def _shares(self, shares: SetTraffic) -> dict[str, Any]:
        return {"defaults": {"deploymentName": next(iter(shares.traffic), None)}}

    def _model(self, properties: Mapping[str, Any]) -> str:
        return str((properties.get("model") or {}).get("assetId") or "")
