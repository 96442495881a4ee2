"""Storage accounts as resources: Microsoft.Storage in Azure Resource Manager."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.default_resources import LOCATION, storage_account_id
from tidepool.errors import not_found
from tidepool.store import Document, Store


def create_storage_account(store: Store, name: str) -> Document:
    """Return the document of a storage account, and create it if it does not exist."""
    resource_id = storage_account_id(name)
    existing = store.get(resource_id)
    if existing:
        return existing
    endpoints = {
        service: f"https://{name}.{service}.core.windows.net/" for service in ("blob", "queue", "table")
    }
    properties = {
        "provisioningState": "Succeeded",
        "primaryEndpoints": endpoints,
        "primaryLocation": LOCATION,
        "statusOfPrimary": "available",
        "isHnsEnabled": False,
        "accessTier": "Hot",
    }
    sku = {"name": "Standard_LRS", "tier": "Standard"}
    document = resource(resource_id, properties, location=LOCATION, sku=sku, kind="StorageV2", tags={})
    store.put(resource_id, document)
    return document


class StorageAccountRoutes:
    """The routes that read storage accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Routes:
        accounts = kind("storageAccounts", provider="Microsoft.Storage")
        return {(accounts, "GET"): self._get, (accounts, "LIST"): self._list}

    async def _get(self, call: Call) -> Response:
        document = self._store.get(call.path.text)
        if document is None:
            raise not_found(call.path.text)
        return JSONResponse(document)

    async def _list(self, call: Call) -> Response:
        collection = storage_account_id("").rstrip("/")
        return listed([document for _, document in self._store.children(collection)], call.query, call.url)
