"""The model versions of the workspace in which a job runs, over Azure Resource Manager.

https://learn.microsoft.com/rest/api/azureml/model-versions/create-or-update
"""

from collections.abc import Mapping
from typing import Any

from azure.core import PipelineClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import DefaultAzureCredential

ARM = "https://management.azure.com"
API = "2024-04-01"
RETRIES = 10  # of a request that Azure refuses for now (429, 503); it says how long to wait


class WorkspaceModels:
    """A client that looks up and registers model versions. `workspace` is its ARM id."""

    def __init__(self, workspace: str, client: "PipelineClient[HttpRequest, HttpResponse]") -> None:
        self._workspace = workspace
        self._client = client

    @classmethod
    def of_job(cls, environ: Mapping[str, str]) -> "WorkspaceModels":
        """Return a client for the workspace of this job, which acts as the job's cluster."""
        credential = DefaultAzureCredential(
            managed_identity_client_id=environ.get("DEFAULT_IDENTITY_CLIENT_ID")
        )
        policies = [
            RetryPolicy(retry_total=RETRIES, retry_status=RETRIES),
            BearerTokenCredentialPolicy(credential, f"{ARM}/.default"),
        ]
        client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(ARM, policies=policies)
        group = f"/subscriptions/{environ['AZUREML_ARM_SUBSCRIPTION']}"
        group += f"/resourceGroups/{environ['AZUREML_ARM_RESOURCEGROUP']}"
        name = environ["AZUREML_ARM_WORKSPACE_NAME"]
        return cls(f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}", client)

    def has(self, name: str, version: str) -> bool:
        """Return whether a model version exists."""
        response = self._send("GET", name, version)
        if response.status_code == 404:
            return False
        response.raise_for_status()
        return True

    def put(self, name: str, version: str, body: Mapping[str, Any]) -> None:
        """Register a model version."""
        self._send("PUT", name, version, body).raise_for_status()

    def _send(self, method: str, name: str, version: str, body: Any = None) -> HttpResponse:
        url = f"{ARM}{self._workspace}/models/{name}/versions/{version}"
        return self._client.send_request(HttpRequest(method, url, params={"api-version": API}, json=body))
