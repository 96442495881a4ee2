"""The hosts of batch endpoints, and the lists of their jobs: each invocation starts a job."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.access.principals import Principal
from tidepool.arm.requests import ML, parse, read_json
from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.declarations.catalog import check_body
from tidepool.endpoints.batch_jobs import Invocation, pipeline_job, scoring_component, scoring_job
from tidepool.endpoints.batch_records import BatchRecords
from tidepool.endpoints.records import workspace_of
from tidepool.errors import AzureError, not_emulated
from tidepool.store import Document

_AUDIENCE = "https://ml.azure.com"
_DEPLOYMENT = "azureml-model-deployment"
_ANONYMOUS = "azureml_anonymous"
_FRONT_END = "/mferp/managementfrontend"
_JOBS = f"{ML}/workspaces/batchEndpoints/jobs"

# Submits a job. The arguments are the workspace, the name, the body and the principal.
Submit = Callable[[str, str, Document, Principal], Awaitable[tuple[Document, bool]]]
View = Callable[[Document], Document]


class BatchInvocations:
    """The ASGI apps of the hosts (`app`) and of the lists of jobs (`jobs_app`).

    `view` returns a job with its present state.
    """

    def __init__(
        self, *, records: BatchRecords, identity: Identity, catalog: AssetCatalog, submit: Submit, view: View
    ) -> None:
        self._records = records
        self._identity = identity
        self._catalog = catalog
        self._submit = submit
        self._view = view

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._invoke(Request(scope, receive)))(scope, receive, send)

    async def jobs_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._list(Request(scope, receive)))(scope, receive, send)

    async def _invoke(self, request: Request) -> Response:
        """Start a job of the deployment that the request names, or of the default deployment."""
        principal = self._identity.check(request, _AUDIENCE)
        endpoint = self._records.hosts.endpoint_at(request.url.hostname or "")
        if endpoint is None:
            raise AzureError(404, "NotFound", f"There is no batch endpoint at {request.url.hostname}.")
        if request.method != "POST" or request.url.path != "/jobs":
            raise not_emulated(request.method, str(request.url))
        self._identity.authorize(principal, f"{_JOBS}/write", endpoint["id"])
        body = check_body(_JOBS.lower(), "PUT", await read_json(request))
        properties = body.get("properties") or {}
        deployment = self._deployment(endpoint, request.headers.get(_DEPLOYMENT))
        document = await self._start(deployment, properties, principal)
        return JSONResponse(_batch_job(document), status_code=201)

    def _deployment(self, endpoint: Document, requested: str | None) -> Document:
        default = (endpoint["properties"].get("defaults") or {}).get("deploymentName")
        name = requested or default
        if not name:
            message = (
                f"The batch endpoint '{endpoint['name']}' has no default deployment. "
                f"Name one in the header {_DEPLOYMENT}, or set a default."
            )
            raise AzureError(400, "BadArgument", message)
        deployment = self._records.deployments(endpoint["id"]).get(name)
        if deployment is None:
            message = f"The deployment '{name}' of batch endpoint '{endpoint['name']}' was not found."
            raise AzureError(404, "NotFound", message)
        return deployment

    async def _start(
        self, deployment: Document, properties: dict[str, Any], principal: Principal
    ) -> Document:
        """Submit the job of an invocation, and return its resource."""
        root = workspace_of(deployment["id"])
        model = self._records.model(deployment["properties"], root)
        invocation = Invocation(deployment, properties, model)
        name = str(properties.get("name") or uuid.uuid4())
        if deployment["properties"].get("deploymentConfiguration"):
            job = pipeline_job(invocation)
        else:
            component = await self._register(root, scoring_component(invocation), principal)
            job = scoring_job(invocation, component)
        document, _ = await self._submit(root, name, {"properties": job}, principal)
        self._records.add_job(deployment["id"], name)
        return document

    async def _register(self, root: str, specification: Document, principal: Principal) -> str:
        """Register an anonymous component, as the SDK does for the steps of a pipeline, and return its id."""
        properties = {"componentSpec": specification, "isAnonymous": True}
        document, _ = await self._catalog.kinds["components"].put(
            root, _ANONYMOUS, str(uuid.uuid4()), properties, by=principal.name
        )
        return str(document["id"])

    async def _list(self, request: Request) -> Response:
        principal = self._identity.check(request, _AUDIENCE)
        path = parse(request.url.path.removeprefix(_FRONT_END))
        owner, _, action = path.text.rpartition("/")
        if request.method != "GET" or action != "jobs":
            raise not_emulated(request.method, str(request.url))
        self._identity.authorize(principal, f"{_JOBS}/read", owner)
        read = self._records.deployment if "/deployments/" in owner else self._records.endpoint
        read(owner)
        jobs = (self._records.store.get(f"{path.root}/jobs/{name}") for name in self._records.jobs(owner))
        return JSONResponse({"value": [_batch_job(self._view(job)) for job in jobs if job is not None]})


def _batch_job(document: Document) -> Document:
    properties = document["properties"]
    shown = {name: properties.get(name) for name in ("displayName", "experimentName", "tags", "status")}
    return {
        "id": document["id"],
        "name": document["name"],
        "type": _JOBS,
        "properties": {**shown, "status": shown["status"] or "NotStarted"},
        "systemData": document.get("systemData"),
    }
