"""Workspaces and storage accounts as resources, and where a workspace keeps its files."""

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import ML, Call, Routes, kind, listed, resource
from tidepool.default_resources import (
    LOCATION,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    TENANT,
    storage_account_id,
    workspace_id,
)
from tidepool.errors import AzureError, not_found
from tidepool.store import Document, Store

DATA_PLANE = f"{LOCATION}.api.azureml.ms"
ARTIFACTS = "azureml"  # the container of workspaceartifactstore


def create_workspace(store: Store, name: str, storage_account: str) -> Document:
    """The document of a workspace; one that is there stays as it is."""
    resource_id = workspace_id(name)
    found = store.get(resource_id)
    if found:
        return found
    create_storage_account(store, storage_account)
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, resource_id.lower()))
    properties = {
        "friendlyName": name,
        "workspaceId": guid,
        "storageAccount": storage_account_id(storage_account),
        "discoveryUrl": f"https://{DATA_PLANE}/discovery",
        "mlFlowTrackingUri": f"azureml://{DATA_PLANE}/mlflow/v1.0{resource_id}",
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "tenantId": TENANT,
        "hbiWorkspace": False,
        "v1LegacyMode": False,
        "systemDatastoresAuthMode": "accessKey",
    }
    identity = {
        "type": "SystemAssigned",
        "principalId": str(uuid.uuid5(uuid.UUID(guid), "identity")),
        "tenantId": TENANT,
    }
    sku = {"name": "Basic", "tier": "Basic"}
    document = resource(
        resource_id, properties, location=LOCATION, identity=identity, sku=sku, kind="Default", tags={}
    )
    store.put(resource_id, document)
    return document


def create_storage_account(store: Store, name: str) -> Document:
    """The document of a storage account; one that is there stays as it is."""
    resource_id = storage_account_id(name)
    found = store.get(resource_id)
    if found:
        return found
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


def workspace(store: Store, resource_id: str) -> Document:
    """The document; AzureError 404 as ARM words it."""
    found = store.get(resource_id)
    if found is None:
        name = resource_id.rpartition("/")[2]
        raise AzureError(
            404,
            "ResourceNotFound",
            f"The Resource '{ML}/workspaces/{name}' under resource group '{RESOURCE_GROUP}' was not found. "
            "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return found


def workspace_by_guid(store: Store, guid: str) -> Document | None:
    """The workspace with that `workspaceId`: the form in which `azureml://locations/...` ids name it."""
    workspaces = (document for _, document in store.children(workspace_id("").rstrip("/")))
    return next((document for document in workspaces if document["properties"]["workspaceId"] == guid), None)


def artifact_store(store: Store, resource_id: str) -> tuple[str, str]:
    """(account, container) of a workspace's run artifacts."""
    return default_account(store, resource_id), ARTIFACTS


def default_account(store: Store, resource_id: str) -> str:
    account: str = workspace(store, resource_id)["properties"]["storageAccount"]
    return account.rpartition("/")[2]


class Estate:
    """Routes that read the subscription, the resource group, the workspaces and the storage accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Routes:
        group = "subscriptions/resourceGroups"
        routes: Routes = {
            (kind("subscriptions", provider="Microsoft.Resources"), "GET"): self._subscription,
            (kind(group, provider="Microsoft.Resources"), "GET"): self._group,
        }
        for resource_kind in (kind("workspaces"), kind("storageAccounts", provider="Microsoft.Storage")):
            routes[resource_kind, "GET"] = self._get
            routes[resource_kind, "LIST"] = self._list
        return routes

    async def _get(self, call: Call) -> Response:
        if call.path.provider.lower() == ML.lower():
            return JSONResponse(workspace(self._store, call.path.text))
        found = self._store.get(call.path.text)
        if found is None:
            raise not_found(call.path.text)
        return JSONResponse(found)

    async def _list(self, call: Call) -> Response:
        scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        collection = f"{scope}/providers/{call.path.provider}/{call.path.types[0]}"
        return listed([document for _, document in self._store.children(collection)], call.query, call.url)

    async def _subscription(self, call: Call) -> Response:
        _expect(call, call.path.names[0], SUBSCRIPTION, "SubscriptionNotFound")
        body = {
            "id": call.path.text,
            "subscriptionId": SUBSCRIPTION,
            "displayName": "Tidepool",
            "state": "Enabled",
        }
        return JSONResponse({**body, "tenantId": TENANT})

    async def _group(self, call: Call) -> Response:
        _expect(call, call.path.names[1], RESOURCE_GROUP, "ResourceGroupNotFound")
        body: dict[str, Any] = {"id": call.path.text, "name": RESOURCE_GROUP, "location": LOCATION}
        return JSONResponse({**body, "properties": {"provisioningState": "Succeeded"}})


def _expect(call: Call, given: str, known: str, code: str) -> None:
    if given.lower() != known.lower():
        raise AzureError(404, code, f"'{call.path.text}' could not be found.")


# https://learn.microsoft.com/rest/api/resources: GET /metadata/endpoints, which needs no token
ENDPOINTS = {
    "name": "AzureCloud",
    "portal": "https://portal.azure.com",
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "graph": "https://graph.windows.net/",
    "media": "https://rest.media.azure.net",
    "batch": "https://batch.core.windows.net/",
    "gallery": "https://gallery.azure.com/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    "suffixes": {
        "storage": "core.windows.net",
        "keyVaultDns": "vault.azure.net",
        "sqlServerHostname": "database.windows.net",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "acrLoginServer": "azurecr.io",
    },
}
