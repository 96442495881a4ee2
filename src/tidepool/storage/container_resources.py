"""The blob service and the containers of a storage account as resources: Microsoft.Storage in ARM."""

from urllib.parse import urlencode
from xml.etree import ElementTree

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, parse, resource
from tidepool.errors import AzureError, not_found
from tidepool.storage.blobs import Blobs
from tidepool.storage.gateway import StorageGateway
from tidepool.store import Document, Store

_PROVIDER = "Microsoft.Storage"


class ContainerRoutes:
    """The routes of `storageAccounts/{account}/blobServices/default` and of the containers in it."""

    def __init__(self, *, store: Store, blobs: Blobs, storage: StorageGateway) -> None:
        self._store = store
        self._blobs = blobs
        self._storage = storage

    def routes(self) -> Routes:
        services = kind("storageAccounts", "blobServices", provider=_PROVIDER)
        containers = kind("storageAccounts", "blobServices", "containers", provider=_PROVIDER)
        return {
            (services, "GET"): self._get_service,
            (services, "PUT"): self._put_service,
            (containers, "LIST"): self._list,
            (containers, "GET"): self._get,
            (containers, "PUT"): self._put,
            (containers, "DELETE"): self._delete,
        }

    async def _get_service(self, call: Call) -> Response:
        self._account(call)
        stored = self._store.get(call.path.text) or resource(call.path.text, {})
        return JSONResponse(stored)

    async def _put_service(self, call: Call) -> Response:
        self._account(call)
        before = (self._store.get(call.path.text) or {}).get("properties") or {}
        document = resource(call.path.text, {**before, **call.properties})
        self._store.put(call.path.text, document)
        return JSONResponse(document)

    async def _list(self, call: Call) -> Response:
        account, items, marker = self._account(call), [], ""
        while True:
            query = urlencode({"comp": "list", "marker": marker})
            answer = await self._storage.send(account, "blob", "GET", f"/?{query}")
            page = ElementTree.fromstring(answer.body)
            names = [str(element.findtext("Name")) for element in page.iter("Container")]
            items += [_container(f"{call.path.text}/{name}") for name in names]
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return listed(items, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        account, target = self._account(call), f"/{call.path.names[2]}?restype=container"
        answer = await self._storage.send(account, "blob", "HEAD", target)
        if answer.status == 404:
            raise not_found(call.path.text)
        return JSONResponse(_container(call.path.text))

    async def _put(self, call: Call) -> Response:
        await self._blobs.ensure_container(self._account(call), call.path.names[2])
        return JSONResponse(_container(call.path.text), status_code=201)

    async def _delete(self, call: Call) -> Response:
        account, target = self._account(call), f"/{call.path.names[2]}?restype=container"
        answer = await self._storage.send(account, "blob", "DELETE", target)
        return Response(status_code=204 if answer.status == 404 else 200)

    def _account(self, call: Call) -> str:
        """Return the name of the account. Raise AzureError 404 if there is none."""
        if self._store.get(call.path.root) is None:
            raise AzureError(
                404,
                "ParentResourceNotFound",
                f"Failed to perform this operation, because the storage account '{call.path.names[0]}' could "
                "not be found.",
            )
        return parse(call.path.root).names[0]


def _container(resource_id: str) -> Document:
    return resource(resource_id, {"publicAccess": "None"})
