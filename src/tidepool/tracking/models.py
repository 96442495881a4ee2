"""MLflow's model registry. As in Azure ML, it shows the model assets of a workspace."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import yaml
from starlette.responses import JSONResponse

from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.locations import BlobLocation
from tidepool.errors import AzureError
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store
from tidepool.tracking import version_search

# azureml://host/mlflow/v2.0/subscriptions/.../experiments/e/runs/r/artifacts/model
_IN_RUN = re.compile(r"azureml://[^/]+/mlflow/.*/runs/(?P<run>[^/]+)/artifacts/?(?P<path>.*)")
_ARTIFACTS = "azureml://datastores/workspaceartifactstore/paths"
_NAME_FILTER = re.compile(r"name\s*=\s*['\"](?P<name>[^'\"]+)['\"]")

Handler = Callable[[str, Mapping[str, Any]], Awaitable[Document]]

_MOST_VERSIONS = 10_000  # of a page, if the caller asks for no number
_MOST_MLMODEL = 1024 * 1024
_MOST_DEPTH = 32


class MlflowModels:
    """The operations `registered-models/*` and `model-versions/*` that users of Azure ML need."""

    def __init__(self, *, store: Store, blobs: Blobs, catalog: AssetCatalog) -> None:
        self._store = store
        self._catalog = catalog
        self._blobs = blobs
        self._handlers: dict[str, Handler] = {
            "registered-models/create": self._create_model,
            "registered-models/get": self._get_model,
            "registered-models/get-latest-versions": self._latest,
            "registered-models/search": self._search_models,
            "model-versions/create": self._create_version,
            "model-versions/get": self._get_version,
            "model-versions/get-download-uri": self._download_uri,
            "model-versions/search": self._search_versions,
        }

    def handler(self, operation: str) -> Handler | None:
        """Return the handler of an operation, for example `registered-models/create`, or None."""
        return self._handlers.get(operation)

    async def _create_model(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        name = str(body.get("name"))
        if self._catalog.latest(workspace_id, "models", name):
            message = f"Registered Model (name={name}) already exists."
            raise MlflowError(400, "RESOURCE_ALREADY_EXISTS", message)
        return {"registered_model": {"name": name, "tags": body.get("tags") or []}}

    async def _create_version(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        source = str(body["source"])
        uri = model_uri(source)
        properties: Document = {
            "modelUri": uri,
            "modelType": "mlflow_model",
            "jobName": body.get("run_id") or _run_of(source),
            "description": body.get("description") or None,
            "tags": {tag["key"]: tag["value"] for tag in body.get("tags") or []},
            "flavors": await self._flavors(self._catalog.resolve(workspace_id, uri)),
        }
        document = await self._catalog.register_model(workspace_id, str(body["name"]), None, properties)
        return {"model_version": _version(document)}

    async def _get_model(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        return {"registered_model": _model(self._newest(workspace_id, str(body["name"])))}

    async def _search_models(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        match = _NAME_FILTER.search(str(body.get("filter") or ""))
        names = [document["name"] for _, document in self._store.children(f"{workspace_id}/models")]
        matching = [name for name in names if match is None or name == match["name"]]
        newest = [self._catalog.latest(workspace_id, "models", name) for name in matching]
        return {"registered_models": [_model(document) for document in newest if document]}

    async def _latest(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        return {"model_versions": [_version(self._newest(workspace_id, str(body["name"])))]}

    async def _get_version(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        return {"model_version": _version(self._existing(workspace_id, body))}

    async def _download_uri(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        """Return the location of the blobs as a `wasbs:` URI, which MLflow's own Azure client can read."""
        uri = self._existing(workspace_id, body)["properties"]["modelUri"]
        location = self._catalog.resolve(workspace_id, uri)
        host = f"{location.container}@{location.account}.blob.core.windows.net"
        return {"artifact_uri": f"wasbs://{host}/{location.path.rstrip('/')}"}

    async def _search_versions(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        """Return the versions that match, by name, the newest of each first, in pages."""
        wanted = version_search.parse(str(body.get("filter") or ""))
        if body.get("order_by"):
            raise AzureError(501, "NotEmulated", f"Tidepool does not sort by {body['order_by']}")
        models = self._store.children(f"{workspace_id}/models")
        names = [wanted.name] if wanted.name else sorted(str(document["name"]) for _, document in models)
        found = [
            version
            for name in names
            for _, document in reversed([*self._store.children(f"{workspace_id}/models/{name}/versions")])
            if wanted.matches(version := _version(document))
        ]
        begin, size = int(body.get("page_token") or 0), int(body.get("max_results") or _MOST_VERSIONS)
        more = {"next_page_token": str(begin + size)} if begin + size < len(found) else {}
        return {"model_versions": found[begin : begin + size], **more}

    def _newest(self, workspace_id: str, name: str) -> Document:
        document = self._catalog.latest(workspace_id, "models", name)
        if document is None:
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        return document

    def _existing(self, workspace_id: str, body: Mapping[str, Any]) -> Document:
        name, version = str(body["name"]), str(body["version"])
        document = self._catalog.asset(workspace_id, "models", name, version)
        if document is None:
            message = f"Model Version (name={name}, version={version}) not found"
            raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", message)
        return document

    async def _flavors(self, location: BlobLocation) -> Document:
        """Return the flavors in the MLmodel file of the model, in the form that Azure ML uses.

        Return an empty document if the file is missing, too large, nested too deeply, or not a mapping.
        """
        try:
            path = f"{location.path.rstrip('/')}/MLmodel"
            text = await self._blobs.read(location.account, location.container, path)
        except AzureError:
            return {}
        try:
            flavors: Document = _loaded(text).get("flavors") or {}
        except (yaml.YAMLError, ValueError, AttributeError):
            return {}
        return {
            name: {"data": {key: str(value) for key, value in data.items()}} for name, data in flavors.items()
        }


def _loaded(mlmodel: bytes) -> Document:
    """Return the content of an MLmodel file. Raise ValueError if it would take seconds to load."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for event in yaml.parse(mlmodel[: _MOST_MLMODEL + 1], Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH or len(mlmodel) > _MOST_MLMODEL:
            raise ValueError("the MLmodel file is too large, or nested too deeply")
    loaded: Document = yaml.load(mlmodel, Loader=loader)
    return loaded


class MlflowError(AzureError):
    """An error response in MLflow's format. `code` is one of MLflow's error codes."""

    def response(self) -> JSONResponse:
        return JSONResponse({"error_code": self.code, "message": self.message}, status_code=self.status)


def model_uri(source: str) -> str:
    """Return the URI that a model asset has for the source of a model version."""
    if match := _IN_RUN.fullmatch(source):
        return f"{_ARTIFACTS}/ExperimentRun/dcid.{match['run']}/{match['path']}".rstrip("/")
    if source.startswith("azureml://artifacts/"):
        return f"{_ARTIFACTS}/{source.removeprefix('azureml://artifacts/')}"
    return source


def _run_of(source: str) -> str | None:
    match = _IN_RUN.fullmatch(source)
    return match["run"] if match else None


def _model(latest: Document) -> Document:
    version = _version(latest)
    times = {key: version[key] for key in ("creation_timestamp", "last_updated_timestamp")}
    return {"name": version["name"], **times, "latest_versions": [version]}


def _version(document: Document) -> Document:
    properties, system = document["properties"], document.get("systemData") or {}
    return {
        "name": document["id"].split("/")[-3],
        "version": document["name"],
        "creation_timestamp": _milliseconds(system.get("createdAt")),
        "last_updated_timestamp": _milliseconds(system.get("lastModifiedAt")),
        "current_stage": properties.get("stage") or "None",
        "description": properties.get("description") or "",
        "source": properties["modelUri"],
        "run_id": properties.get("jobName") or "",
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in (properties.get("tags") or {}).items()],
    }


def _milliseconds(moment: str | None) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else 0
