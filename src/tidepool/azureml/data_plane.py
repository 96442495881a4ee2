"""The data plane, `<region>.api.azureml.ms`: discovery, run history and artifacts."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.access.principals import Principal
from tidepool.arm.requests import MANAGEMENT, ML, read_json
from tidepool.arm.resource_groups import workspace_id
from tidepool.azureml.artifacts import Artifacts
from tidepool.azureml.locations import locate
from tidepool.azureml.registries import Registries
from tidepool.azureml.run_history import Runs
from tidepool.azureml.workspaces import workspace
from tidepool.errors import AzureError, not_emulated
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

AUDIENCES = ("https://ml.azure.com", MANAGEMENT)
_WORKSPACE = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{ML}/workspaces/{{workspace}}"
)
_HISTORY = f"/history/v1.0{_WORKSPACE}"
_PATCHED = ("displayName", "description", "tags", "properties", "hidden")
# Azure says CustomModel, MLFlowModel or TritonModel of an output that is a model. azure-ai-ml 1.35 raises a
# TypeError for these, and downloads an output only if its type is one of data.
_MODEL_TYPES = frozenset({"custom_model", "mlflow_model", "triton_model"})
# The paths that need no token.
_OPEN = ("/discovery",)


class DataPlane:
    """ASGI app of the data plane.

    Each request except discovery needs a token, and the right to read or write runs of the workspace.
    """

    def __init__(
        self, *, store: Store, identity: Identity, blobs: Blobs, runs: Runs, registries: Registries
    ) -> None:
        self._store = store
        self._identity = identity
        self._runs = runs
        self._registries = registries
        self._artifacts = Artifacts(store=store, blobs=blobs)
        self._router = Router(
            routes=[*self._discovery_routes(), *self._run_routes(), *self._file_routes()], default=_unknown
        )

    def _discovery_routes(self) -> list[Route]:
        registry = "/registrymanagement/v1.0/registries/{registry}/discovery"
        return [
            Route("/discovery", self._discovery, methods=["GET"]),
            Route(registry, self._registries.discovery, methods=["GET"]),
        ]

    def _run_routes(self) -> list[Route]:
        by_experiment = (
            f"{_HISTORY}/{experiments}/{{experiment}}/runs/{{run}}"
            for experiments in ("experiments", "experimentids")
        )
        return [
            Route(f"{_HISTORY}/rundata", self._run_data, methods=["POST"]),
            Route(f"{_HISTORY}/batchrundata", self._batch_run_data, methods=["POST"]),
            *(
                Route(f"{run}{rest}", handler, methods=[method])
                for run in (f"{_HISTORY}/runs/{{run}}", *by_experiment)
                for rest, method, handler in (
                    ("", "GET", self._get),
                    ("", "PATCH", self._patch),
                    ("/details", "GET", self._details),
                    ("/children", "GET", self._children),
                )
            ),
        ]

    def _file_routes(self) -> list[Route]:
        data = f"/data/v1.0{_WORKSPACE}/dataversion/batchGetResolvedUris"
        models = f"/modelregistry/v1.0{_WORKSPACE}/models/batchGetResolvedUris"
        return [
            *self._artifacts.routes(f"{_HISTORY}/experiments/{{experiment}}/runs/{{run}}/artifacts"),
            *self._artifacts.routes(f"{_HISTORY}/experimentids/{{experiment}}/runs/{{run}}/artifacts"),
            *self._artifacts.routes(f"/artifact/v2.0{_WORKSPACE}/artifacts/{{origin}}/{{container}}"),
            Route(data, self._resolve("uri"), methods=["POST"]),
            Route(models, self._resolve("path"), methods=["POST"]),
        ]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.url.path not in _OPEN:
            self._authorize(request)
        await self._router(scope, receive, send)

    def _authorize(self, request: Request) -> None:
        principal = self._principal(request)
        parts = request.url.path.split("/workspaces/")
        if len(parts) == 2:
            resource_id = workspace_id(self._store, parts[1].partition("/")[0])
            workspace(self._store, resource_id)
            reads = request.method == "GET" or request.url.path.endswith(
                ("/rundata", "/batchrundata", "batchGetResolvedUris")
            )
            action = f"{ML}/workspaces/experiments/runs/{'read' if reads else 'write'}"
            self._identity.authorize(principal, action, resource_id)
            request.state.workspace = resource_id

    def _principal(self, request: Request) -> Principal:
        """Return the sender of a request.

        The SDK sends a token for Azure ML, and the MLflow plugin sends a token for ARM.
        """
        try:
            return self._identity.check(request, AUDIENCES[0])
        except AzureError as error:
            if error.code != "InvalidAuthenticationTokenAudience":
                raise
            return self._identity.check(request, AUDIENCES[1])

    async def _discovery(self, request: Request) -> Response:
        base = f"https://{request.url.hostname}"
        services = (
            "api",
            "history",
            "experimentation",
            "modelregistry",
            "artifact",
            "notebooks",
            "pipelines",
            "metric",
        )
        return JSONResponse({**dict.fromkeys(services, base), "studio": "https://ml.azure.com"})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(run_view(self._run(request)))

    async def _patch(self, request: Request) -> Response:
        run, body = self._run(request), await read_json(request)
        changes = {name: body[name] for name in _PATCHED if name in body}
        return JSONResponse(run_view(self._runs.patch(request.state.workspace, run["runId"], changes)))

    async def _details(self, request: Request) -> Response:
        run = run_view(self._run(request))
        logs = await self._runs.log_files(request.state.workspace, run["runId"])
        return JSONResponse({**run, "createdTimeUtc": run["createdUtc"], "logFiles": logs, "warnings": []})

    async def _children(self, request: Request) -> Response:
        children = self._runs.children(request.state.workspace, self._run(request)["runId"])
        top = int(request.query_params.get("$top") or len(children))
        return JSONResponse(
            {"value": [run_view(child) for child in children[:top]], "continuationToken": None}
        )

    async def _run_data(self, request: Request) -> Response:
        body = await read_json(request)
        run = self._runs.existing(request.state.workspace, str(body.get("runId")))
        return JSONResponse(_run_data(run))

    async def _batch_run_data(self, request: Request) -> Response:
        """Answer for many runs at once: 207 if some of them do not exist."""
        requests: dict[str, Document] = (await read_json(request)).get("requests") or {}
        ids = {key: str(entry.get("runId")) for key, entry in requests.items()}
        runs = {key: self._runs.get(request.state.workspace, run_id) for key, run_id in ids.items()}
        failed = {key: _run_not_found(ids[key]) for key, run in runs.items() if run is None}
        answer = {
            "successfulResults": {key: _run_data(run) for key, run in runs.items() if run is not None},
            "failedResults": failed,
        }
        return JSONResponse(answer, status_code=207 if failed else 200)

    def _resolve(self, key: str) -> Callable[[Request], Any]:
        """Return a handler that maps asset ids to the URIs that the SDK downloads from."""

        async def resolve(request: Request) -> Response:
            values = (await read_json(request)).get("values", [])
            resolved = {
                value: {key: self._uri(request.state.workspace, value), "type": None} for value in values
            }
            return JSONResponse({"values": resolved})

        return resolve

    def _uri(self, root: str, asset: str) -> str:
        location = locate(self._store, root, asset)
        for _, document in self._store.children(f"{root}/datastores"):
            properties = document["properties"]
            if (properties["accountName"], properties.get("containerName")) == (
                location.account,
                location.container,
            ):
                return f"azureml://datastores/{document['name']}/paths/{location.path}"
        return location.url

    def _run(self, request: Request) -> Document:
        return self._runs.existing(request.state.workspace, request.path_params["run"])


def _run_data(run: Document) -> Document:
    return {"runMetadata": run_view(run), "runDefinition": None, "jobSpecification": None}


def _run_not_found(run_id: str) -> Document:
    return {"error": {"code": "UserError", "message": f"Run {run_id} was not found."}}


def run_view(run: Document) -> Document:
    """Return a run as the run history API shows it."""
    target = run.get("target")
    outputs = {
        name: {
            **output,
            "assetId": output.get("assetId") or output.get("uri"),
            "type": "uri_folder" if output.get("type") in _MODEL_TYPES else output.get("type"),
        }
        for name, output in (run.get("outputs") or {}).items()
    }
    nodes = run.get("instanceCount") or 1
    return {
        **{name: value for name, value in run.items() if name != "instanceCount"},
        "outputs": outputs,
        "compute": {"target": target, "instanceCount": nodes} if target else None,
        "createdBy": {"userName": run.get("createdBy")},
    }


async def _unknown(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise not_emulated(scope["method"], str(Request(scope).url))
