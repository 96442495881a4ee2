"""Workspaces as resources, and where a workspace keeps its files."""

import uuid
from typing import Any

from tidepool.access.principals import with_object_ids
from tidepool.arm.requests import ML, ArmPath, name_in, resource
from tidepool.arm.resource_groups import WORKSPACES, resources_in
from tidepool.default_resources import LOCATION, TENANT
from tidepool.errors import AzureError
from tidepool.store import Document, Store

DATA_PLANE = f"{LOCATION}.api.azureml.ms"
ARTIFACTS = "azureml"  # the container of workspaceartifactstore


def write_workspace(store: Store, resource_id: str, properties: Document, **outer: Any) -> Document:
    """Create or update the document of a workspace.

    `outer` may have `identity`, `location` and `tags`. What is None or absent stays as it is.
    """
    existing = store.get(resource_id) or {}
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, resource_id.lower()))
    identity = {
        "type": "SystemAssigned",
        "principalId": str(uuid.uuid5(uuid.UUID(guid), "identity")),
        "tenantId": TENANT,
    }
    full = {
        "friendlyName": resource_id.rpartition("/")[2],
        "publicNetworkAccess": "Enabled",
        "hbiWorkspace": False,
        "v1LegacyMode": False,
        "systemDatastoresAuthMode": "accessKey",
        **(existing.get("properties") or {}),
        **properties,
        "workspaceId": guid,
        "discoveryUrl": f"https://{DATA_PLANE}/discovery",
        "mlFlowTrackingUri": f"azureml://{DATA_PLANE}/mlflow/v1.0{resource_id}",
        "provisioningState": "Succeeded",
        "tenantId": TENANT,
    }
    document = resource(
        resource_id,
        full,
        location=outer.get("location") or existing.get("location") or LOCATION,
        identity=_identity(outer.get("identity"), identity) or existing.get("identity") or identity,
        sku={"name": "Basic", "tier": "Basic"},
        kind="Default",
        tags=outer["tags"] if outer.get("tags") is not None else existing.get("tags") or {},
    )
    store.put(resource_id, document)
    return document


def _identity(requested: Document | None, own: Document) -> Document | None:
    """Return the requested identity with its object ids, or None if the request does not name one."""
    if not requested:
        return None
    identity = with_object_ids("", requested) or {}
    return {**identity, **{key: own[key] for key in ("principalId", "tenantId") if key in identity}}


def workspace(store: Store, resource_id: str) -> Document:
    """Return the document of a workspace.

    Raise AzureError 404, in the words of Azure Resource Manager, if it does not exist.
    """
    document = store.get(resource_id)
    if document is None:
        name, group = resource_id.rpartition("/")[2], name_in(resource_id, "resourceGroups")
        raise AzureError(
            404,
            "ResourceNotFound",
            f"The Resource '{ML}/workspaces/{name}' under resource group '{group}' was not found. "
            "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return document


def check_workspace(store: Store, path: ArmPath) -> None:
    """Raise AzureError 404 if a path leads into a workspace that does not exist."""
    in_workspace = path.provider.lower() == ML.lower() and path.types[:1] and path.names
    if in_workspace and path.types[0].lower() == "workspaces" and len(path.types) > 1:
        workspace(store, path.root)


def workspace_by_guid(store: Store, guid: str) -> Document | None:
    """Return the workspace with this `workspaceId`. Ids such as `azureml://locations/...` contain it."""
    workspaces = resources_in(store, WORKSPACES)
    return next((document for document in workspaces if document["properties"]["workspaceId"] == guid), None)


def artifact_store(store: Store, resource_id: str) -> tuple[str, str]:
    """Return the account and the container of a workspace's run artifacts."""
    return default_account(store, resource_id), ARTIFACTS


def default_account(store: Store, resource_id: str) -> str:
    account: str = workspace(store, resource_id)["properties"]["storageAccount"]
    return account.rpartition("/")[2]
