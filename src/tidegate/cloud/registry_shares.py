"""The sharing of model versions with a registry, which Azure does in a long-running operation.

The module calls the registry's REST API as azure-ai-ml does, because `models.share` waits for the operation,
and without the time-outs of `client_options`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.arm import SCOPE, ArmClient
from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options, retry_policy
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.domain.lifecycle.registry_share import ShareEnded, ShareFailed, ShareRunning, ShareState
from tidegate.errors import ConflictError, NotFoundError, PermanentError
from tidegate.log import Log

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse

log = Log(__name__)

_ARM_API = "2024-04-01"
_API = "2021-10-01-dataplanepreview"  # the only one that the SDK uses for registries
_DISCOVERY = "https://eastus.api.azureml.ms/registrymanagement/v1.0/registries/{registry}/discovery"
_RUNNING = frozenset({"NotStarted", "Running", "InProgress", "Accepted", "Creating", "Updating"})
_FAILED = frozenset({"Failed", "Canceled"})


@dataclass(frozen=True)
class _Answer:
    status: int
    operation: str
    body: dict[str, Any]


class RegistryShareClient:
    """A client that starts to share the versions of one workspace, and looks at the operation later."""

    def __init__(self, workspace: WorkspaceConfig, credential: "TokenCredential", arm: ArmClient) -> None:
        self._workspace = workspace
        self._credential = credential
        self._arm = arm

    def begin(self, name: str, version: str, registry: str) -> str | None:
        """Let Azure copy a version with its files to a registry, under the same name and version.

        Return the URL of Azure's operation. Return None if Azure has no operation to look at, for example
        because it copies or has this version already.
        """
        workspace = self._arm.get(self._workspace.arm_id, _ARM_API)
        guid = workspace["properties"]["workspaceId"]
        source = (
            f"azureml://locations/{workspace['location']}/workspaces/{guid}/models/{name}/versions/{version}"
        )
        body = {
            "properties": {
                "referenceType": "Id",
                "destinationName": name,
                "destinationVersion": version,
                "sourceAssetId": source,
            }
        }
        url = f"{self._address(registry)}/import?api-version={_API}"
        try:
            with azure_errors(f"share model {name}:{version} with registry {registry}"):
                answer = self._send("POST", url, body)
        except ConflictError as error:
            log.info("share_refused", model=name, version=version, error=error)
            return None
        return answer.operation or None

    def operation(self, url: str) -> ShareState:
        """Return the state of an operation that `begin` has returned.

        An operation that Azure no longer knows has ended.
        """
        try:
            with azure_errors("look at the operation that shares a model"):
                answer = self._send("GET", url)
        except NotFoundError:
            return ShareEnded()
        except (
            ConflictError,
            PermanentError,
        ) as error:  # a URL in `Location` answers with the operation's error
            return ShareFailed(str(error))
        if answer.status == 202:
            return ShareRunning()
        return _state(str(answer.body.get("status") or ""), answer.body)

    def version(self, name: str, version: str, registry: str) -> ShareState:
        """Return whether the registry has finished to create a version. Raise NotFoundError without one."""
        url = f"{self._address(registry)}/models/{name}/versions/{version}?api-version={_API}"
        with azure_errors(f"find model {name}:{version} in registry {registry}"):
            properties = self._send("GET", url).body.get("properties") or {}
        return _state(str(properties.get("provisioningState") or ""), properties)

    def _address(self, registry: str) -> str:
        """Return the address of a registry's REST API."""
        with azure_errors(f"find registry {registry}"):
            discovered = self._send("GET", _DISCOVERY.format(registry=registry)).body
        group = f"subscriptions/{discovered['subscriptionId']}/resourceGroups/{discovered['resourceGroup']}"
        base = str(discovered["primaryRegionResourceProviderUri"]).rstrip("/")
        provider = "providers/Microsoft.MachineLearningServices"
        return f"{base}/mferp/managementfrontend/{group}/{provider}/registries/{registry}"

    def _send(self, method: str, url: str, body: dict[str, Any] | None = None) -> _Answer:
        from azure.core.rest import HttpRequest

        response: HttpResponse = self._client.send_request(HttpRequest(method, url, json=body))
        response.raise_for_status()
        headers = response.headers
        operation = headers.get("Azure-AsyncOperation") or headers.get("Location") or ""
        return _Answer(response.status_code, operation, dict(response.json()) if response.text() else {})

    @cached_property
    def _client(self) -> "PipelineClient[Any, Any]":
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy

        policies = [retry_policy(), BearerTokenCredentialPolicy(self._credential, SCOPE)]
        return PipelineClient("", policies=policies, **client_options())


def _state(status: str, body: dict[str, Any]) -> ShareState:
    if status in _RUNNING:
        return ShareRunning()
    if status in _FAILED:
        error = body.get("error") or {}
        return ShareFailed(str(error.get("message") or error.get("code") or f"its state is {status}"))
    return ShareEnded()
