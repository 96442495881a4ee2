"""Storage accounts as resources: Microsoft.Storage in Azure Resource Manager."""

import json
from typing import Any
from xml.etree import ElementTree

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import with_object_ids
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.resource_groups import ACCOUNTS, account_id, name_taken, resources_in
from tidepool.declarations.names import name_problem
from tidepool.errors import AzureError, not_found
from tidepool.storage.account_requests import default_request, requested
from tidepool.storage.accounts import Accounts
from tidepool.storage.gateway import StorageGateway
from tidepool.store import Document, Store

_PROVIDER = "Microsoft.Storage"


def create_storage_account(store: Store, name: str) -> Document:
    """Return a storage account. If there is none, create it in Tidepool's own resource group."""
    resource_id = account_id(store, name)
    return store.get(resource_id) or write_storage_account(store, resource_id, default_request())


def write_storage_account(store: Store, resource_id: str, body: Document) -> Document:
    """Create or update a storage account, and return its document."""
    name = resource_id.rpartition("/")[2]
    existing = store.get(resource_id)
    fields = requested(name, body, existing)
    services = ("blob", "queue", "table")
    properties = {
        "allowSharedKeyAccess": True,
        "accessTier": "Hot",
        **((existing or {}).get("properties") or {}),
        **fields["properties"],
        "provisioningState": "Succeeded",
        "primaryEndpoints": {service: f"https://{name}.{service}.core.windows.net/" for service in services},
        "primaryLocation": fields["location"],
        "statusOfPrimary": "available",
        "isHnsEnabled": False,
    }
    sku = {"name": fields["sku"]["name"], "tier": fields["sku"]["name"].partition("_")[0]}
    outer: dict[str, Any] = {"location": fields["location"], "sku": sku, "tags": fields["tags"] or {}}
    if identity := with_object_ids(resource_id, fields["identity"]):
        outer["identity"] = identity
    document = resource(resource_id, properties, kind=fields["kind"], **outer)
    store.put(resource_id, document)
    return document


class StorageAccountRoutes:
    """The routes of storage accounts."""

    def __init__(self, *, store: Store, accounts: Accounts, storage: StorageGateway) -> None:
        self._store = store
        self._accounts = accounts
        self._storage = storage

    def routes(self) -> Routes:
        accounts = kind("storageAccounts", provider=_PROVIDER)
        return {
            (accounts, "GET"): self._get,
            (accounts, "LIST"): self._list,
            (accounts, "PUT"): self._put,
            (accounts, "PATCH"): self._patch,
            (accounts, "DELETE"): self._delete,
            (accounts, "listkeys"): self._keys,
            (kind(provider=_PROVIDER), "checknameavailability"): self._availability,
        }

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call))

    async def _list(self, call: Call) -> Response:
        documents = list(resources_in(self._store, ACCOUNTS, call.path.scope))
        return listed(documents, call.query, call.url)

    async def _put(self, call: Call) -> Response:
        if name_taken(self._store, call.path.text):
            raise AzureError(
                409,
                "StorageAccountAlreadyTaken",
                f"The storage account named {call.path.names[0]} is already taken.",
            )
        return JSONResponse(write_storage_account(self._store, call.path.text, call.body))

    async def _patch(self, call: Call) -> Response:
        self._existing(call)
        return await self._put(call)

    async def _delete(self, call: Call) -> Response:
        """Delete an account with its blobs, queues and tables. There is no undo, as in Azure."""
        name = call.path.names[0]
        if self._store.get(call.path.text) is None:
            return Response(status_code=204)
        for target, service in await self._contents(name):
            await self._storage.send(name, service, "DELETE", target)
        self._store.delete(call.path.text)
        return Response(status_code=200)

    async def _keys(self, call: Call) -> Response:
        name = self._existing(call)["name"]
        keys = [
            {"keyName": f"key{number}", "value": self._accounts.key(name, number), "permissions": "FULL"}
            for number in (1, 2)
        ]
        return JSONResponse({"keys": keys})

    async def _availability(self, call: Call) -> Response:
        name = str(call.body.get("name"))
        if problem := name_problem(ACCOUNTS, name):
            return _unavailable(problem.code, problem.message)
        if self._store.get(account_id(self._store, name)):
            return _unavailable("AlreadyExists", f"The storage account named {name} is already taken.")
        return JSONResponse({"nameAvailable": True})

    async def _contents(self, name: str) -> list[tuple[str, str]]:
        """Return the request target and the service of each container, queue and table of an account."""
        contents = []
        for service, element, query in (("blob", "Container", "?restype=container"), ("queue", "Queue", "")):
            answer = await self._storage.send(name, service, "GET", "/?comp=list")
            for item in ElementTree.fromstring(answer.body).iter(element):
                contents.append((f"/{item.findtext('Name')}{query}", service))
        headers = {"Accept": "application/json;odata=nometadata"}
        tables = await self._storage.send(name, "table", "GET", "/Tables", headers=headers)
        for table in json.loads(tables.body)["value"]:
            contents.append((f"/Tables('{table['TableName']}')", "table"))
        return contents

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise not_found(call.path.text)
        return document


def _unavailable(reason: str, message: str) -> Response:
    return JSONResponse({"nameAvailable": False, "reason": reason, "message": message})
