"""What a request may say of a workspace: its name and its properties."""

import re
from typing import Any

from tidepool.errors import AzureError
from tidepool.store import Document

_NAME = re.compile(r"[A-Za-z0-9][\w-]{1,32}")
# The properties that a workspace keeps. The others, which declarations/workspaces.py lists, ask for nothing.
_KEPT = (
    *("allowPublicAccessWhenBehindVnet", "allowRoleAssignmentOnRG", "applicationInsights"),
    *("containerRegistry", "description", "friendlyName", "hbiWorkspace", "imageBuildCompute", "keyVault"),
    *("publicNetworkAccess", "serverlessComputeSettings", "storageAccount", "systemDatastoresAuthMode"),
    *("ipAllowlist", "managedNetwork", "networkAcls"),
)


def check_name(name: str) -> None:
    """Raise AzureError 400 if Azure would refuse the name of a workspace."""
    if not _NAME.fullmatch(name):
        raise AzureError(
            400,
            "ValidationError",
            f"Workspace name '{name}' is invalid. "
            "It must be between 2 and 33 characters, and may have letters, digits, '-' and '_'.",
        )


def kept(properties: Document) -> Document:
    """Return the properties of a checked request that a workspace keeps."""
    values = {key: _plain(properties[key]) for key in _KEPT if key in properties}
    return {key: value for key, value in values.items() if value not in (None, "", {})}


def _plain(value: Any) -> Any:
    """Return a text `true` or `false` as a Boolean. Templates have texts, and Azure accepts both."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
