"""Scoring requests to one deployment of an online endpoint, in the same form as its callers send them."""

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.lifecycle.health import ScoringAnswer

if TYPE_CHECKING:
    from azure.core import PipelineClient

_TIMEOUT_S = 15.0  # an endpoint's default time-out for a model is 5 s
_MAX_TEXT_LENGTH = 2000


class ScoringClient:
    """A client that sends scoring requests with the endpoint's own key."""

    def __init__(self, client: LazyMLClient) -> None:
        self._client = client

    def send(self, endpoint: str, deployment: str, body: bytes, times: int = 1) -> list[ScoringAnswer]:
        """Send a request `times` times to a deployment and return its answers.

        The requests go to this deployment even if it has no share of the traffic.
        """
        with ml_errors(f"find endpoint {endpoint}"):
            operations = self._client.ml.online_endpoints
            url, key = str(operations.get(endpoint).scoring_uri), _secret(operations.get_keys(endpoint))
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "azureml-model-deployment": deployment,
        }
        with azure_errors(f"send a scoring request to {endpoint}"):
            return [self._send_once(url, headers, body) for _ in range(times)]

    def _send_once(self, url: str, headers: dict[str, str], body: bytes) -> ScoringAnswer:
        """Send one request. If no answer comes in time, return an answer with status 0."""
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        started = time.perf_counter()
        try:
            request = HttpRequest("POST", url, headers=headers, content=body)
            response = self._http.send_request(request)
            status, text = response.status_code, response.text()[:_MAX_TEXT_LENGTH]
        except (ServiceRequestError, ServiceResponseError) as error:
            status, text = 0, str(error)
        return ScoringAnswer(status, (time.perf_counter() - started) * 1000, text)

    @cached_property
    def _http(self) -> "PipelineClient[Any, Any]":
        """A client without retries, because the failures are counted."""
        from azure.core import PipelineClient

        options = client_options(_TIMEOUT_S, connection_timeout_s=_TIMEOUT_S)
        return PipelineClient("", policies=[], **options)


def _secret(keys: Any) -> str:
    return str(getattr(keys, "primary_key", None) or keys.access_token)
