"""Artifacts of runs: lists of them, and signed URLs to read and write them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tidepool.arm.requests import read_json
from tidepool.azureml.workspaces import artifact_store
from tidepool.errors import AzureError
from tidepool.storage.blobs import BlobItem, Blobs
from tidepool.store import Document, Store

WRITE = "racw"


class Artifacts:
    """The routes of a folder of artifacts, `{origin}/{container}`.

    The folder of a run is `ExperimentRun/dcid.<run>`.
    """

    def __init__(self, *, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def routes(self, prefix: str) -> list[Route]:
        return [
            Route(prefix, self._list, methods=["GET"]),
            Route(f"{prefix}/path", self._list, methods=["GET"]),
            Route(f"{prefix}/metadata", self._metadata, methods=["GET"]),
            Route(f"{prefix}/contentinfo", self._content, methods=["GET"]),
            Route(f"{prefix}/artifacturi", self._uri, methods=["GET"]),
            Route(f"{prefix}/prefix/contentinfo", self._contents, methods=["GET"]),
            Route(f"{prefix}/batch/metadata", self._create, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        blobs = await self._blobs_below(request, request.query_params.get("path", ""))
        return JSONResponse(
            {"value": [_artifact(_folder(request), blob) for blob in blobs], "continuationToken": None}
        )

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(_artifact(_folder(request), await self._blob(request)))

    async def _content(self, request: Request) -> Response:
        return JSONResponse(await self._link(request, (await self._blob(request)).name))

    async def _uri(self, request: Request) -> Response:
        link = await self._link(request, (await self._blob(request)).name)
        return JSONResponse(link["contentUri"])

    async def _contents(self, request: Request) -> Response:
        blobs = await self._blobs_below(request, request.query_params.get("path", ""))
        return JSONResponse(
            {"value": [await self._link(request, blob.name) for blob in blobs], "continuationToken": None}
        )

    async def _create(self, request: Request) -> Response:
        """Return signed URLs for new artifacts.

        An artifact exists as soon as the client has written the file to its URL.
        """
        folder = _folder(request)
        names = [entry["path"] for entry in (await read_json(request)).get("paths", [])]
        links = {name: await self._link(request, f"{folder}/{name}", WRITE) for name in names}
        artifacts = {name: _reference(folder, name) for name in names}
        return JSONResponse({"artifacts": artifacts, "artifactContentInformation": links, "errors": {}})

    async def _blobs_below(self, request: Request, path: str) -> list[BlobItem]:
        account, container = artifact_store(self._store, request.state.workspace)
        return await self._blobs.list(account, container, f"{_folder(request)}/{path.lstrip('/')}")

    async def _blob(self, request: Request) -> BlobItem:
        path = request.query_params.get("path", "")
        name = f"{_folder(request)}/{path.lstrip('/')}"
        for blob in await self._blobs_below(request, path):
            if blob.name == name:
                return blob
        raise AzureError(404, "UserError", f"The artifact '{path}' was not found in '{_folder(request)}'.")

    async def _link(self, request: Request, blob: str, permission: str = "r") -> Document:
        account, container = artifact_store(self._store, request.state.workspace)
        folder = _folder(request)
        url = await self._blobs.sas(account, container, blob, permission=permission)
        return {**_reference(folder, blob.removeprefix(f"{folder}/")), "contentUri": url}


def _folder(request: Request) -> str:
    parameters = request.path_params
    if "run" in parameters:
        return f"ExperimentRun/dcid.{parameters['run']}"
    return f"{parameters['origin']}/{parameters['container']}"


def _reference(folder: str, path: str) -> Document:
    origin, _, container = folder.partition("/")
    return {
        "artifactId": f"{folder}/{path}",
        "origin": origin,
        "container": container,
        "path": path,
        "tags": None,
    }


def _artifact(folder: str, blob: BlobItem) -> Document:
    reference = _reference(folder, blob.name.removeprefix(f"{folder}/"))
    return {**reference, "etag": blob.etag, "createdTime": blob.last_modified.isoformat()}
