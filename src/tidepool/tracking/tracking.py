"""MLflow behind the tracking URLs of workspaces: the MLflow server with the differences of Azure ML."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.arm.requests import MANAGEMENT, ML
from tidepool.arm.resource_groups import workspace_id as workspace_path
from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.run_history import Runs, mlflow_workspace
from tidepool.azureml.workspaces import workspace
from tidepool.errors import AzureError, not_emulated
from tidepool.forking.processes import ForkedProcesses
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store
from tidepool.tracking.models import MlflowModels
from tidepool.tracking.rows import MlflowRows
from tidepool.tracking.run_ids import translated, translated_body
from tidepool.tracking.server import MlflowServer

_AUDIENCES = ("https://ml.azure.com", MANAGEMENT)
_SCOPE = rf"/mlflow/v[12]\.0/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{re.escape(ML)}/workspaces/"
_URL = re.compile(rf"{_SCOPE}(?P<workspace>[^/]+)(?P<path>/.*)", re.IGNORECASE)
_OPERATION = re.compile(r"/api/[23]\.0/(?:preview/)?mlflow/(.*)")
_REGISTRY = ("registered-models/", "model-versions/")
# The start of a model version's source if this source is a logged model; the id of the model follows.
_LOGGED_MODEL = "models:/"
# The operations of MLflow 3 that Azure ML's tracking server does not have: it answers 404 without a body.
# https://github.com/Azure/azure-sdk-for-python/issues/44896
_MLFLOW_3 = re.compile(r"logged-models(/.*)?|runs/outputs")
_SETTING = "/settings/logged_models"
_READS = ("search", "get", "list")
# Response headers of the MLflow server that only concern the connection to this server.
_DROPPED = {"connection", "content-length", "content-encoding", "transfer-encoding", "date", "server"}


class Tracking:
    """The ASGI app `app` that answers `/mlflow/...`."""

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        store: Store,
        identity: Identity,
        runs: Runs,
        blobs: Blobs,
        catalog: AssetCatalog,
        forks: ForkedProcesses,
        data_dir: Path,
    ) -> None:
        self._store = store
        self._identity = identity
        self._runs = runs
        self._server = MlflowServer(
            folder=data_dir / "mlflow", log_file=data_dir / "logs" / "mlflow.log", forks=forks
        )
        self._models = MlflowModels(store=store, blobs=blobs, catalog=catalog)
        self._rows: MlflowRows | None = None
        self._known: set[str] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    def record(self, workspace_id: str, run: Document) -> None:
        """Update MLflow's copy of a run. A server that starts later gets its runs from run history."""
        if self._rows is not None and workspace_id.lower() in self._known:
            self._rows.run(workspace_id, run)

    def metric(self, workspace_id: str, run_id: str, name: str) -> float | None:
        """Return the last value of a metric of a run, or None."""
        return self._rows.metric(workspace_id, run_id, name) if self._rows is not None else None

    def warm(self) -> None:
        """Start the server when a job starts.

        The job needs seconds to import MLflow before its first request.
        """
        self._server.begin()

    def accept_logged_models(self, accepted: bool) -> None:
        """Answer MLflow 3's logged models from now on, or refuse them with 404 as Azure ML does."""
        self._store.put(_SETTING, {"accepted": accepted})

    async def stop(self) -> None:
        await self._server.stop()
        if self._rows is not None:
            self._rows.close()

    async def _answer(self, request: Request) -> Response:
        workspace_id, path = self._authorized(request)
        match = _OPERATION.fullmatch(path)
        operation = match[1] if match else ""
        if operation.startswith(_REGISTRY):
            return await self._in_registry(request, workspace_id, operation)
        if _MLFLOW_3.fullmatch(operation) and not (self._store.get(_SETTING) or {}).get("accepted"):
            return Response(status_code=404)
        rows = await self._ready(workspace_id)
        if operation == "experiments/create":
            return await self._create_experiment(request, workspace_id, rows)
        if operation == "runs/log-batch-async":
            await self._forward(request, workspace_id, "/api/2.0/mlflow/runs/log-batch")
            return JSONResponse({"batch_tracking_id": ""})
        if operation == "logged-models" and request.method == "POST":
            return await self._create_logged_model(request, workspace_id, rows, path)
        return await self._forward(request, workspace_id, path)

    async def _create_logged_model(
        self, request: Request, workspace_id: str, rows: MlflowRows, path: str
    ) -> Response:
        """Create a logged model among the artifacts of its run.

        If a job has not started a run with MLflow, the model belongs to the run of the job.
        """
        body = await _json(request)
        body["source_run_id"] = body.get("source_run_id") or self._identity.run_of(request)
        answer = await self._forward(request, workspace_id, path, body)
        return _with_model_in_run(answer, rows, workspace_id) if answer.status_code == 200 else answer

    def _authorized(self, request: Request) -> tuple[str, str]:
        """Authorize a request, and return (id of the workspace, path of the request on the MLflow server)."""
        principal = self._identity.check(request, *_AUDIENCES)
        match = _URL.fullmatch(request.url.path)
        if match is None:
            raise not_emulated(request.method, str(request.url))
        workspace_id = workspace_path(self._store, match["workspace"])
        workspace(self._store, workspace_id)
        reads = request.method == "GET" or any(f"/{word}" in match["path"] for word in _READS)
        action = f"{ML}/workspaces/experiments/runs/{'read' if reads else 'write'}"
        self._identity.authorize(principal, action, workspace_id)
        return workspace_id, match["path"]

    async def _ready(self, workspace_id: str) -> MlflowRows:
        """Return the rows of the running server, after copying all runs of the workspace to them."""
        await self._server.ensure()
        if self._rows is None:
            self._rows = MlflowRows(self._server.database)
        if workspace_id.lower() not in self._known:
            self._rows.workspace(workspace_id)
            for run in self._runs.all(workspace_id):
                self._rows.run(workspace_id, run)
            self._known.add(workspace_id.lower())
        return self._rows

    async def _in_registry(self, request: Request, workspace_id: str, operation: str) -> Response:
        handler = self._models.handler(operation)
        if handler is None:
            raise not_emulated(request.method, str(request.url))
        body = {**request.query_params, **await _json(request)}
        source = str(body.get("source") or "")
        if source.startswith(_LOGGED_MODEL):
            rows = await self._ready(workspace_id)
            body["source"] = rows.model_uri(source.removeprefix(_LOGGED_MODEL)) or source
        return JSONResponse(await handler(workspace_id, body))

    async def _create_experiment(self, request: Request, workspace_id: str, rows: MlflowRows) -> Response:
        """Create an experiment with the id and the artifact location that Azure ML uses.

        If the experiment exists already or has no name, the MLflow server returns its own error.
        """
        body = await _json(request)
        if body.get("name"):
            tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
            number, created = rows.experiment(workspace_id, str(body["name"]), tags)
            if created:
                return JSONResponse({"experiment_id": str(number)})
        return await self._forward(
            request, workspace_id, "/api/2.0/mlflow/experiments/create", {**body, "artifact_location": None}
        )

    async def _forward(
        self, request: Request, workspace_id: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        http = await self._server.ensure()
        content = await request.body() if body is None else json.dumps(body).encode()
        inside = self._rows.inside(workspace_id) if self._rows is not None else {}
        headers = {
            "Content-Type": request.headers.get("content-type", "application/json"),
            "X-MLFLOW-WORKSPACE": mlflow_workspace(workspace_id),
        }
        answer = await http.request(
            request.method,
            path,
            params=[
                (name, translated(value, inside, name)) for name, value in request.query_params.multi_items()
            ],
            content=translated_body(content, inside),
            headers=headers,
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _DROPPED}
        outside = {internal: run_id for run_id, internal in inside.items()}
        return Response(translated_body(answer.content, outside), answer.status_code, kept)


def _with_model_in_run(answer: Response, rows: MlflowRows, workspace_id: str) -> Response:
    """Move a new logged model to the artifacts of its run, and return the response with the new location."""
    body: Document = json.loads(bytes(answer.body))
    info = body["model"]["info"]
    uri = rows.move_model(workspace_id, info["model_id"])
    if uri:
        info["artifact_uri"] = uri
    return JSONResponse(body)


async def _json(request: Request) -> Document:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise AzureError(400, "INVALID_PARAMETER_VALUE", f"The body is not JSON: {error}") from error
    return body if isinstance(body, dict) else {}
