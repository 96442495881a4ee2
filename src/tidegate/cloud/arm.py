"""Azure Resource Manager, read where no SDK of ours goes: permissions, subscriptions. Writes nothing."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidegate.cloud.faults import azure_errors

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.core import ARMPipelineClient

_MANAGEMENT = "https://management.azure.com"
SCOPE = f"{_MANAGEMENT}/.default"


class Arm:
    def __init__(self, credential: "TokenCredential") -> None:
        self._credential = credential

    def get(self, path: str, api_version: str) -> dict[str, Any]:
        """A resource. NotThereError where there is none."""
        return self._ask(f"{_MANAGEMENT}{path}?api-version={api_version}")

    def list(self, path: str, api_version: str, condition: str = "") -> Iterator[dict[str, Any]]:
        """What is in a collection, page after page; `condition` is an OData filter."""
        chosen = f"&$filter={quote(condition)}" if condition else ""
        url: str | None = f"{_MANAGEMENT}{path}?api-version={api_version}{chosen}"
        while url:
            page = self._ask(url)
            yield from page.get("value", [])
            url = page.get("nextLink")

    def _ask(self, url: str) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        with azure_errors(f"read {url.partition('?')[0].removeprefix(_MANAGEMENT)}"):
            response = self._client.send_request(HttpRequest("GET", url))
            response.raise_for_status()
            return dict(response.json())

    @cached_property
    def _client(self) -> "ARMPipelineClient[Any, Any]":
        from azure.core.pipeline.policies import RetryPolicy
        from azure.mgmt.core import ARMPipelineClient
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        authentication = ARMChallengeAuthenticationPolicy(self._credential, SCOPE)
        return ARMPipelineClient(_MANAGEMENT, policies=[RetryPolicy(retry_total=2), authentication])
