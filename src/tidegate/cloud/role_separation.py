"""Who trains in one workspace, and whether they can write where another one is. Assigns nothing."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.roles import Permissions
from tidegate.domain.assets import BLOBSTORE

_ML_VERSION, _ROLES_VERSION = "2024-04-01", "2022-04-01"
_AUTHORIZATION = "providers/Microsoft.Authorization"
_REGISTERING = "Microsoft.MachineLearningServices/workspaces/models/versions/write"
_SHARING = "Microsoft.MachineLearningServices/registries/assets/write"
_OVERWRITING = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"


class RoleSeparation:
    """By role assignments, as `permissions` only tells of the caller. Groups are looked through by Azure."""

    def __init__(self, arm: ArmClient) -> None:
        self._arm = arm

    def principals_with_write_access(
        self, training: str, production: str, registries: Iterable[str] = ()
    ) -> list[str]:
        """Identities of the workspace `training` that can write models, or their files, of `production`.

        Or models of the registries, by their ids, that production takes them from.
        """
        action_by_scope = {production: _REGISTERING, self._container(production): _OVERWRITING}
        action_by_scope |= dict.fromkeys(registries, _SHARING)
        permissions = cache(self._permissions)
        return [
            f"{who} ({principal}) can write to {scope.rpartition('/')[2]} by role {role}"
            for principal, who in self._identities(training).items()
            for scope, action in action_by_scope.items()
            for role in self._roles(principal, scope)
            if permissions(role).allow(action) or permissions(role).allow(action, data=True)
        ]

    def _container(self, workspace: str) -> str:
        """Where the workspace's models lie: what is assigned at the account counts there, too."""
        account = self._arm.get(workspace, _ML_VERSION)["properties"]["storageAccount"]
        store = self._arm.get(f"{workspace}/datastores/{BLOBSTORE}", _ML_VERSION)["properties"]
        return f"{account}/blobServices/default/containers/{store['containerName']}"

    def _identities(self, workspace: str) -> dict[str, str]:
        """Object id -> whose it is: of the workspace itself, and of the clusters that its jobs run on."""
        found = dict.fromkeys(_principals(self._arm.get(workspace, _ML_VERSION)), "the workspace")
        for cluster in self._arm.list(f"{workspace}/computes", _ML_VERSION):
            found |= dict.fromkeys(_principals(cluster), f"cluster {cluster['name']}")
        return found

    def _roles(self, principal: str, scope: str) -> list[str]:
        """Definitions of the roles that somebody has at a scope, what is assigned above it included."""
        condition = f"atScope() and assignedTo('{principal}')"
        found = self._arm.list(f"{scope}/{_AUTHORIZATION}/roleAssignments", _ROLES_VERSION, condition)
        return list(dict.fromkeys(one["properties"]["roleDefinitionId"] for one in found))

    def _permissions(self, definition: str) -> Permissions:
        return Permissions(self._arm.get(definition, _ROLES_VERSION)["properties"]["permissions"])


def _principals(resource: dict[str, Any]) -> Iterator[str]:
    """Object ids of the managed identities that a resource has."""
    identity = resource.get("identity") or {}
    for one in (identity, *(identity.get("userAssignedIdentities") or {}).values()):
        if one and one.get("principalId"):
            yield str(one["principalId"])
