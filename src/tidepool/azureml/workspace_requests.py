"""What a request may say of a workspace: its properties."""

from typing import Any

from tidepool.store import Document

# The properties that a workspace keeps. The others, which declarations/workspaces.py lists, ask for nothing.
_KEPT = (
    *("allowPublicAccessWhenBehindVnet", "allowRoleAssignmentOnRG", "applicationInsights"),
    *("containerRegistry", "description", "friendlyName", "hbiWorkspace", "imageBuildCompute", "keyVault"),
    *("publicNetworkAccess", "serverlessComputeSettings", "storageAccount", "systemDatastoresAuthMode"),
    *("ipAllowlist", "managedNetwork", "networkAcls"),
)


def kept(properties: Document) -> Document:
    """Return the properties of a checked request that a workspace keeps."""
    values = {key: _plain(properties[key]) for key in _KEPT if key in properties}
    return {key: value for key, value in values.items() if value not in (None, "", {})}


def _plain(value: Any) -> Any:
    """Return a text `true` or `false` as a Boolean. Templates have texts, and Azure accepts both."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
