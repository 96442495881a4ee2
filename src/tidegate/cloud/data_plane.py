"""The data plane of a workspace, mainly its run history, of which the SDK shows only a part."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options, retry_policy
from tidegate.cloud.ml_client import LazyMLClient
from tidegate.errors import NotFoundError, PermanentError

if TYPE_CHECKING:
    from azure.core import PipelineClient

_API = "2024-04-01"
_AUDIENCE = "https://ml.azure.com/.default"


class DataPlaneClient:
    """A client for the services of a workspace; the client finds their address through the discovery URL."""

    def __init__(self, client: LazyMLClient, arm: ArmClient) -> None:
        self._client = client
        self._arm = arm
        self._address: str | None = None

    def get(self, service: str, path: str, doing: str = "") -> dict[str, Any]:
        """Return the answer to a GET request.

        `service` is for example `history/v1.0`. `path` is below the workspace. `doing` is for the message of
        an error.
        """
        with azure_errors(doing or f"GET {path}"):
            return self._request("GET", service, path)

    def post(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a POST request."""
        with azure_errors(f"POST {path}"):
            return self._request("POST", service, path, body)

    def post_to(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """Return the answer to a POST request at an address of its own, such as a batch endpoint's."""
        from azure.core.rest import HttpRequest

        with azure_errors(f"POST {url}"):
            response = self._authenticated.send_request(HttpRequest("POST", url, json=body, headers=headers))
            response.raise_for_status()
            return dict(response.json())

    def write(self, url: str, content: bytes) -> None:
        """Write a blob at a URL that the data plane gave. The URL contains the permission to write."""
        from azure.core.rest import HttpRequest

        with azure_errors("write an artifact"):
            request = HttpRequest("PUT", url, headers={"x-ms-blob-type": "BlockBlob"}, content=content)
            self._anonymous.send_request(request).raise_for_status()

    def read(self, url: str, max_bytes: int) -> bytes:
        """Return the blob at a URL that the data plane gave. The URL contains the permission to read.

        Raise PermanentError if the blob is longer than `max_bytes`.
        """
        from azure.core.rest import HttpRequest

        with azure_errors("read an artifact"):
            response = self._anonymous.send_request(HttpRequest("GET", url), stream=True)
            response.raise_for_status()
            size = int(response.headers.get("Content-Length", 0))
            if size > max_bytes:
                response.close()
                raise PermanentError(f"it has {size} bytes, but at most {max_bytes} are read")
            return bytes(response.read())

    def written_at(self, url: str) -> datetime | None:
        """Return when the blob at a URL with a SAS was last written, or None if it is empty or missing."""
        from azure.core.rest import HttpRequest

        try:
            with azure_errors("read the time of a log file"):
                response = self._anonymous.send_request(HttpRequest("HEAD", url))
                response.raise_for_status()
        except NotFoundError:
            return None
        if response.headers.get("Content-Length") in (None, "0"):
            return None
        return parsedate_to_datetime(response.headers["Last-Modified"])

    def _request(
        self, method: str, service: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        url = f"{self._endpoint()}/{service}{self._client.workspace.arm_id}/{path}"
        response = self._authenticated.send_request(HttpRequest(method, url, json=body))
        response.raise_for_status()
        return dict(response.json())

    @cached_property
    def _authenticated(self) -> "PipelineClient[Any, Any]":
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy

        policies = [retry_policy(), BearerTokenCredentialPolicy(self._client.credential, _AUDIENCE)]
        return PipelineClient("", policies=policies, **client_options())

    @cached_property
    def _anonymous(self) -> "PipelineClient[Any, Any]":
        from azure.core import PipelineClient

        return PipelineClient("", policies=[retry_policy()], **client_options())

    def _endpoint(self) -> str:
        """Return the address of the workspace's services.

        Threads do not wait for each other here, as they would in a cached_property: while the service hangs,
        each would wait for the time-outs of all before it.
        """
        if self._address is None:
            self._address = self._discover()
        return self._address

    def _discover(self) -> str:
        """Look for the address in the workspace's properties.

        They are read from ARM. Reading them with azure-ai-ml would import all of MLflow, which takes a second
        or more.
        """
        from azure.core.rest import HttpRequest

        properties = self._arm.get(self._client.workspace.arm_id, _API)["properties"]
        with azure_errors("discover the services of the workspace"):
            request = HttpRequest("GET", str(properties["discoveryUrl"]))
            response = self._anonymous.send_request(request)
            response.raise_for_status()
            return str(response.json()["api"])
