"""The data plane of a workspace, found by discovery: run history, which the SDK shows in part."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.ml_client import LazyMLClient

if TYPE_CHECKING:
    from azure.core import PipelineClient

_API = "2024-04-01"
_AUDIENCE = "https://ml.azure.com/.default"


class DataPlaneClient:
    def __init__(self, client: LazyMLClient, arm: ArmClient) -> None:
        self._client = client
        self._arm = arm

    def get(self, service: str, path: str) -> dict[str, Any]:
        """`service` is `history/v1.0` or the like; `path` is below the workspace."""
        return self._ask("GET", service, path)

    def post(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", service, path, body)

    def write(self, url: str, content: bytes) -> None:
        """To a blob, by a URL that the data plane gave and that carries its own permission."""
        from azure.core.rest import HttpRequest

        with azure_errors("write an artifact"):
            request = HttpRequest("PUT", url, headers={"x-ms-blob-type": "BlockBlob"}, content=content)
            self._anonymous.send_request(request).raise_for_status()

    def _ask(
        self, method: str, service: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        with azure_errors(f"{method} {path}"):
            url = f"{self._endpoint}/{service}{self._client.workspace.arm_id}/{path}"
            response = self._own.send_request(HttpRequest(method, url, json=body))
            response.raise_for_status()
            return dict(response.json())

    @cached_property
    def _own(self) -> "PipelineClient[Any, Any]":
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        policies = [RetryPolicy(), BearerTokenCredentialPolicy(self._client.credential, _AUDIENCE)]
        return PipelineClient("", policies=policies)

    @cached_property
    def _anonymous(self) -> "PipelineClient[Any, Any]":
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import RetryPolicy

        return PipelineClient("", policies=[RetryPolicy()])

    @property
    def tracking_uri(self) -> str:
        """Where MLflow finds the workspace."""
        return str(self._properties["mlFlowTrackingUri"])

    @cached_property
    def _endpoint(self) -> str:
        from azure.core.rest import HttpRequest

        with azure_errors("discover the services of the workspace"):
            request = HttpRequest("GET", str(self._properties["discoveryUrl"]))
            response = self._anonymous.send_request(request)
            response.raise_for_status()
            return str(response.json()["api"])

    @cached_property
    def _properties(self) -> dict[str, Any]:
        """Not from azure-ai-ml, which imports all of MLflow (a second or more) to answer that."""
        return dict(self._arm.get(self._client.workspace.arm_id, _API)["properties"])
