"""A client for Azure Resource Manager (ARM), for operations that the SDKs do not support.

The client starts long-running operations and never waits for them, as the SDKs would.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options, retry_policy
from tidegate.errors import NotFoundError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse
    from azure.mgmt.core import ARMPipelineClient

_MANAGEMENT = "https://management.azure.com"
SCOPE = f"{_MANAGEMENT}/.default"
_VERBS = {"GET": "read", "PUT": "write", "POST": "call", "DELETE": "delete"}


class ArmClient:
    """A thin client of ARM's REST API; a path is a resource id, as in `/subscriptions/...`."""

    def __init__(self, credential: "TokenCredential") -> None:
        self._credential = credential

    def get(self, path: str, api_version: str, **query: str) -> dict[str, Any]:
        """Return a resource.

        Raise NotFoundError if it does not exist.
        """
        return self._get(_url(path, api_version, query))

    def put(self, path: str, api_version: str, body: Mapping[str, Any]) -> None:
        """Start to create or change a resource.

        Raise ConflictError while another operation on the resource is running.
        """
        self._send("PUT", _url(path, api_version), body)

    def post(self, path: str, api_version: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call an action of a resource and return its answer."""
        return dict(self._send("POST", _url(path, api_version), body).json())

    def delete(self, path: str, api_version: str) -> None:
        """Start to delete a resource. A resource that does not exist counts as deleted."""
        try:
            self._send("DELETE", _url(path, api_version))
        except NotFoundError:
            return

    def list(self, path: str, api_version: str, condition: str = "") -> Iterator[dict[str, Any]]:
        """Yield the items of a collection, page after page. `condition` is an OData filter."""
        filter_part = f"&$filter={quote(condition)}" if condition else ""
        url: str | None = f"{_MANAGEMENT}{path}?api-version={api_version}{filter_part}"
        while url:
            page = self._get(url)
            yield from page.get("value", [])
            url = page.get("nextLink")

    def _get(self, url: str) -> dict[str, Any]:
        return dict(self._send("GET", url).json())

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> "HttpResponse":
        from azure.core.rest import HttpRequest

        path = url.partition("?")[0].removeprefix(_MANAGEMENT)
        with azure_errors(f"{_VERBS[method]} {path}"):
            response: HttpResponse = self._client.send_request(HttpRequest(method, url, json=body))
            response.raise_for_status()
            return response

    @cached_property
    def _client(self) -> "ARMPipelineClient[Any, Any]":
        from azure.mgmt.core import ARMPipelineClient
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        authentication = ARMChallengeAuthenticationPolicy(self._credential, SCOPE)
        policies = [retry_policy(), authentication]
        return ARMPipelineClient(_MANAGEMENT, policies=policies, **client_options())


def _url(path: str, api_version: str, query: Mapping[str, str] | None = None) -> str:
    return f"{_MANAGEMENT}{path}?{urlencode({'api-version': api_version, **(query or {})}, quote_via=quote)}"
