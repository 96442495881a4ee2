"""The scoring hosts, `<endpoint>.<region>.inference.ml.azure.com`: authorization and routing of requests."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tidepool.endpoints.deployments import facts_of
from tidepool.endpoints.keys import EndpointKeys, ScoringError
from tidepool.endpoints.records import EndpointRecords
from tidepool.endpoints.request_metrics import RequestMetrics, Sample
from tidepool.endpoints.rules import max_requests, timeout_s
from tidepool.endpoints.serving import Serving
from tidepool.errors import not_emulated
from tidepool.faults import Faults
from tidepool.store import Document

DEPLOYMENT = "azureml-model-deployment"
_NO_DEPLOYMENT = (
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with "
    "positive weight values or use a deployment specific header to route."
)


@dataclass(frozen=True)
class ScoringAnswer:
    """The response of a deployment.

    `model_status` is the status that the process of the deployment returned, or None if the process did not
    respond.
    """

    status: int
    body: bytes
    content_type: str = "text/plain"
    model_status: int | None = None


class Scoring:
    """The ASGI app of all scoring hosts."""

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        records: EndpointRecords,
        keys: EndpointKeys,
        serving: Serving,
        metrics: RequestMetrics,
        faults: Faults,
        seed: int,
    ) -> None:
        self._records = records
        self._keys = keys
        self._serving = serving
        self._metrics = metrics
        self._faults = faults
        self._random = random.Random(seed)
        self._pending: dict[str, int] = {}
        self._mirrored: set[asyncio.Task[ScoringAnswer]] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    def mirroring(self) -> list[str]:
        """Return the names of mirrored requests that are in progress."""
        return [task.get_name() for task in self._mirrored]

    async def _answer(self, request: Request) -> Response:
        endpoint = self._records.hosts.endpoint_at(request.url.hostname or "")
        if endpoint is None:
            raise ScoringError(404, "NotFound", f"There is no online endpoint at {request.url.hostname}.")
        self._keys.check(request, endpoint)
        if request.url.path == "/swagger.json":
            return await self._describe(endpoint, request)
        if request.url.path != "/score":
            raise not_emulated(request.method, str(request.url))
        if request.method != "POST":
            raise ScoringError(405, "MethodNotAllowed", "Send scoring requests with POST.", {"Allow": "POST"})
        body = await request.body()
        content_type = request.headers.get("content-type", "application/json")
        deployments = self._records.deployments(endpoint["id"])
        chosen, to_mirror = self._choose(endpoint, deployments, request.headers.get(DEPLOYMENT))
        for deployment in to_mirror:
            self._mirror(endpoint, deployment, body, content_type)
        answer = await self._score(endpoint, chosen, body, content_type)
        return _response(answer, chosen["name"], request)

    async def _describe(self, endpoint: Document, request: Request) -> Response:
        """Return the OpenAPI description of a deployment, as its process generates it."""
        if request.method != "GET":
            raise ScoringError(405, "MethodNotAllowed", "Use GET for /swagger.json.", {"Allow": "GET"})
        deployments = self._records.deployments(endpoint["id"])
        chosen, _ = self._choose(endpoint, deployments, request.headers.get(DEPLOYMENT))
        process = await self._serving.process(chosen["id"])
        if process is None:
            raise ScoringError(503, "ServiceUnavailable", "The deployment has no instance that is ready.")
        answer = await process.describe(request.url.query, timeout_s(chosen["properties"]))
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    def _choose(
        self, endpoint: Document, deployments: dict[str, Document], requested: str | None
    ) -> tuple[Document, list[Document]]:
        """Return (the deployment that responds, the deployments that get a copy of the request).

        A request that names its deployment is not mirrored.
        """
        if requested is not None:
            if requested not in deployments:
                raise ScoringError(404, "NotFound", f"There is no deployment '{requested}'. {_NO_DEPLOYMENT}")
            return deployments[requested], []
        properties = endpoint["properties"]
        shares = {name: share for name, share in properties["traffic"].items() if share}
        if not shares:
            raise ScoringError(404, "NotFound", _NO_DEPLOYMENT)
        (name,) = self._random.choices(list(shares), list(shares.values()))
        mirror = properties["mirrorTraffic"].items()
        copies = [deployments[target] for target, share in mirror if self._random.random() * 100 < share]
        return deployments[name], copies

    def _mirror(self, endpoint: Document, deployment: Document, body: bytes, content_type: str) -> None:
        """Send a copy of the request to a deployment, and ignore the response."""
        copy = self._score(endpoint, deployment, body, content_type)
        task = asyncio.create_task(copy, name=f"mirrored request to {deployment['name']}")
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    async def _score(
        self, endpoint: Document, deployment: Document, body: bytes, content_type: str
    ) -> ScoringAnswer:
        """Send a request to a deployment, and record its status and duration."""
        key, started = deployment["id"].lower(), time.perf_counter()
        self._pending[key] = self._pending.get(key, 0) + 1
        try:
            if self._pending[key] > max_requests(deployment["properties"], deployment["sku"]["capacity"]):
                answer = ScoringAnswer(429, b"Too many pending requests")
            else:
                answer = await self._forward(deployment, body, content_type)
        finally:
            self._pending[key] -= 1
        ms = (time.perf_counter() - started) * 1000
        self._metrics.record(
            endpoint["id"], Sample(deployment["name"], answer.status, answer.model_status, ms)
        )
        return answer

    async def _forward(self, deployment: Document, body: bytes, content_type: str) -> ScoringAnswer:
        limit_s, facts = timeout_s(deployment["properties"]), facts_of(deployment["id"])
        process = await self._serving.process(deployment["id"])
        slow_s = self._faults.value("scoring", "slow", facts) or 0.0
        await asyncio.sleep(min(slow_s, limit_s))
        if slow_s >= limit_s:
            return ScoringAnswer(408, b"Request timeout")
        if status := self._faults.value("scoring", "status", facts):
            return ScoringAnswer(int(status), b"A fault rule of Tidepool made this request fail.")
        if process is None:
            return ScoringAnswer(503, b"Service Unavailable: the deployment has no instance that is ready")
        if self._faults.value("scoring", "crash", facts) is not None:
            process.kill()
        try:
            answer = await process.score(body, content_type, limit_s - slow_s)
        except httpx.TimeoutException:
            return ScoringAnswer(408, b"Request timeout")
        except httpx.TransportError:
            return ScoringAnswer(424, b"Failed Dependency: the process of the model ended", model_status=502)
        status = 200 if answer.is_success else 424
        answer_type = answer.headers.get("content-type", "application/json")
        return ScoringAnswer(status, answer.content, answer_type, answer.status_code)


def _response(answer: ScoringAnswer, deployment: str, request: Request) -> Response:
    headers = {DEPLOYMENT: deployment, "x-ms-request-id": str(uuid.uuid4())}
    if client_id := request.headers.get("x-ms-client-request-id"):
        headers["x-ms-client-request-id"] = client_id
    if answer.status == 424:
        headers["ms-azureml-model-error-statuscode"] = str(answer.model_status)
        headers["ms-azureml-model-error-reason"] = "model_error"
    return Response(answer.body, answer.status, headers, answer.content_type)
