"""The scoring hosts, `<endpoint>.<region>.inference.ml.azure.com`: who asks, which deployment answers."""

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
from tidepool.endpoints.rules import most_requests, timeout_s
from tidepool.endpoints.serving import Serving
from tidepool.errors import not_emulated
from tidepool.faults import Faults
from tidepool.store import Document

DEPLOYMENT = "azureml-model-deployment"
_NOBODY = (
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with "
    "positive weight values or use a deployment specific header to route."
)


@dataclass(frozen=True)
class Answer:
    """What a deployment said; `model_status` is the status of its process, where it answered."""

    status: int
    body: bytes
    content_type: str = "text/plain"
    model_status: int | None = None


class Scoring:
    """ASGI app of all scoring hosts."""

    def __init__(  # noqa: PLR0913  # what a request touches
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
        self._waiting: dict[str, int] = {}
        self._mirrored: set[asyncio.Task[Answer]] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    def mirroring(self) -> list[str]:
        """Copies of requests that are on their way to a deployment."""
        return [task.get_name() for task in self._mirrored]

    async def _answer(self, request: Request) -> Response:
        endpoint = self._records.at_host(request.url.hostname or "")
        if endpoint is None:
            raise ScoringError(404, "NotFound", f"There is no online endpoint at {request.url.hostname}.")
        self._keys.check(request, endpoint)
        if request.url.path != "/score":
            raise not_emulated(request.method, str(request.url))
        if request.method != "POST":
            raise ScoringError(405, "MethodNotAllowed", "Scoring takes POST.", {"Allow": "POST"})
        body = await request.body()
        content_type = request.headers.get("content-type", "application/json")
        deployments = self._records.deployments(endpoint["id"])
        chosen, to_mirror = self._chosen(endpoint, deployments, request.headers.get(DEPLOYMENT))
        for one in to_mirror:
            self._mirror(endpoint, one, body, content_type)
        answer = await self._ask(endpoint, chosen, body, content_type)
        return _response(answer, chosen["name"], request)

    def _chosen(
        self, endpoint: Document, deployments: dict[str, Document], named: str | None
    ) -> tuple[Document, list[Document]]:
        """(who answers, who gets a copy). A request that names its deployment is never mirrored."""
        if named is not None:
            if named not in deployments:
                raise ScoringError(404, "NotFound", f"There is no deployment '{named}'. {_NOBODY}")
            return deployments[named], []
        properties = endpoint["properties"]
        shares = {name: share for name, share in properties["traffic"].items() if share}
        if not shares:
            raise ScoringError(404, "NotFound", _NOBODY)
        (name,) = self._random.choices(list(shares), list(shares.values()))
        mirror = properties["mirrorTraffic"].items()
        copies = [deployments[one] for one, share in mirror if self._random.random() * 100 < share]
        return deployments[name], copies

    def _mirror(self, endpoint: Document, deployment: Document, body: bytes, content_type: str) -> None:
        """Send a copy, whose answer nobody gets."""
        copy = self._ask(endpoint, deployment, body, content_type)
        task = asyncio.create_task(copy, name=f"mirrored request to {deployment['name']}")
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    async def _ask(self, endpoint: Document, deployment: Document, body: bytes, content_type: str) -> Answer:
        """One request to one deployment, counted whatever becomes of it."""
        key, started = deployment["id"].lower(), time.perf_counter()
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            if self._waiting[key] > most_requests(deployment["properties"], deployment["sku"]["capacity"]):
                answer = Answer(429, b"Too many pending requests")
            else:
                answer = await self._asked(deployment, body, content_type)
        finally:
            self._waiting[key] -= 1
        ms = (time.perf_counter() - started) * 1000
        self._metrics.record(
            endpoint["id"], Sample(deployment["name"], answer.status, answer.model_status, ms)
        )
        return answer

    async def _asked(self, deployment: Document, body: bytes, content_type: str) -> Answer:
        limit_s, facts = timeout_s(deployment["properties"]), facts_of(deployment["id"])
        process = await self._serving.process(deployment["id"])
        slow_s = self._faults.value("scoring", "slow", facts) or 0.0
        await asyncio.sleep(min(slow_s, limit_s))
        if slow_s >= limit_s:
            return Answer(408, b"Request timeout")
        if status := self._faults.value("scoring", "status", facts):
            return Answer(int(status), b"a fault that Tidepool was told to make")
        if process is None:
            return Answer(503, b"Service Unavailable: the deployment has no instance that is ready")
        if self._faults.value("scoring", "crash", facts) is not None:
            process.kill()
        try:
            answer = await process.score(body, content_type, limit_s - slow_s)
        except httpx.TimeoutException:
            return Answer(408, b"Request timeout")
        except httpx.TransportError:
            return Answer(424, b"Failed Dependency: the model's process ended", model_status=502)
        status = 200 if answer.is_success else 424
        said = answer.headers.get("content-type", "application/json")
        return Answer(status, answer.content, said, answer.status_code)


def _response(answer: Answer, deployment: str, request: Request) -> Response:
    headers = {DEPLOYMENT: deployment, "x-ms-request-id": str(uuid.uuid4())}
    if client_id := request.headers.get("x-ms-client-request-id"):
        headers["x-ms-client-request-id"] = client_id
    if answer.status == 424:
        headers["ms-azureml-model-error-statuscode"] = str(answer.model_status)
        headers["ms-azureml-model-error-reason"] = "model_error"
    return Response(answer.body, answer.status, headers, answer.content_type)
