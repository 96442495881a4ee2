"""Workspaces as resources, and where a workspace keeps its files."""

import uuid

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import ML, ArmPath, Call, Routes, kind, listed, resource
from tidepool.default_resources import (
    LOCATION,
    RESOURCE_GROUP,
    TENANT,
    storage_account_id,
    workspace_id,
)
from tidepool.errors import AzureError
from tidepool.store import Document, Store

DATA_PLANE = f"{LOCATION}.api.azureml.ms"
ARTIFACTS = "azureml"  # the container of workspaceartifactstore


def create_workspace_document(store: Store, name: str, storage_account: str) -> Document:
    """Return the document of a workspace, and create it if it does not exist."""
    resource_id = workspace_id(name)
    existing = store.get(resource_id)
    if existing:
        return existing
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


def workspace(store: Store, resource_id: str) -> Document:
    """Return the document of a workspace.

    Raise AzureError 404, in the words of Azure Resource Manager, if it does not exist.
    """
    document = store.get(resource_id)
    if document is None:
        name = resource_id.rpartition("/")[2]
        raise AzureError(
            404,
            "ResourceNotFound",
            f"The Resource '{ML}/workspaces/{name}' under resource group '{RESOURCE_GROUP}' was not found. "
            "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return document


def check_workspace(store: Store, path: ArmPath) -> None:
    """Raise AzureError 404 if a path leads into a workspace that does not exist."""
    if path.provider.lower() == ML.lower() and path.types[0].lower() == "workspaces" and path.names:
        workspace(store, path.root)


def workspace_by_guid(store: Store, guid: str) -> Document | None:
    """Return the workspace with this `workspaceId`. Ids such as `azureml://locations/...` contain it."""
    workspaces = (document for _, document in store.children(workspace_id("").rstrip("/")))
    return next((document for document in workspaces if document["properties"]["workspaceId"] == guid), None)


def artifact_store(store: Store, resource_id: str) -> tuple[str, str]:
    """Return the account and the container of a workspace's run artifacts."""
    return default_account(store, resource_id), ARTIFACTS


def default_account(store: Store, resource_id: str) -> str:
    account: str = workspace(store, resource_id)["properties"]["storageAccount"]
    return account.rpartition("/")[2]


class WorkspaceRoutes:
    """The routes that read workspaces."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Routes:
        workspaces = kind("workspaces")
        return {(workspaces, "GET"): self._get, (workspaces, "LIST"): self._list}

    async def _get(self, call: Call) -> Response:
        return JSONResponse(workspace(self._store, call.path.text))

    async def _list(self, call: Call) -> Response:
        collection = workspace_id("").rstrip("/")
        return listed([document for _, document in self._store.children(collection)], call.query, call.url)
