"""The check that identities of the training workspace cannot write to the production workspace."""

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
    """A check that reads role assignments, because ARM's `permissions` would only describe the caller.

    Azure resolves groups: the roles of a group count for its members.
    """

    def __init__(self, arm: ArmClient) -> None:
        self._arm = arm

    def principals_with_write_access(
        self, training: str, production: str, registries: Iterable[str] = ()
    ) -> list[str]:
        """Return the identities of the workspace `training` that can write models of `production`.

        This includes the files of the models, and the registries (ARM ids) from which production takes
        models. Each entry is a sentence with the identity, the resource and the role.
        """
        action_by_scope = {production: _REGISTERING, self._container(production): _OVERWRITING}
        action_by_scope |= dict.fromkeys(registries, _SHARING)
        permissions = cache(self._permissions)
        return [
            f"{owner} ({principal}) can write to {scope.rpartition('/')[2]} by role {role}"
            for principal, owner in self._identities(training).items()
            for scope, action in action_by_scope.items()
            for role in self._roles(principal, scope)
            if permissions(scope, role).allow(action) or permissions(scope, role).allow(action, data=True)
        ]

    def _container(self, workspace: str) -> str:
        """Return the ARM id of the container that holds the workspace's models.

        Roles that are assigned at the storage account count there, too.
        """
        account = self._arm.get(workspace, _ML_VERSION)["properties"]["storageAccount"]
        store = self._arm.get(f"{workspace}/datastores/{BLOBSTORE}", _ML_VERSION)["properties"]
        return f"{account}/blobServices/default/containers/{store['containerName']}"

    def _identities(self, workspace: str) -> dict[str, str]:
        """Return the owner of each identity by its object id: the workspace, or a cluster of its jobs."""
        owners = dict.fromkeys(_principals(self._arm.get(workspace, _ML_VERSION)), "the workspace")
        for cluster in self._arm.list(f"{workspace}/computes", _ML_VERSION):
            owners |= dict.fromkeys(_principals(cluster), f"cluster {cluster['name']}")
        return owners

    def _roles(self, principal: str, scope: str) -> list[str]:
        """Return the ids of the role definitions that a principal has at a scope or above it."""
        condition = f"atScope() and assignedTo('{principal}')"
        assignments = self._arm.list(f"{scope}/{_AUTHORIZATION}/roleAssignments", _ROLES_VERSION, condition)
        return list(dict.fromkeys(item["properties"]["roleDefinitionId"] for item in assignments))

    def _permissions(self, scope: str, definition: str) -> Permissions:
        """Return the permissions of a role, read at a scope where the service is a Reader.

        The id of a role definition lies at the subscription, where the service has no role.
        """
        path = f"{scope}/{_AUTHORIZATION}/roleDefinitions/{definition.rpartition('/')[2]}"
        return Permissions(self._arm.get(path, _ROLES_VERSION)["properties"]["permissions"])


def _principals(resource: dict[str, Any]) -> Iterator[str]:
    """Yield the object ids of the managed identities of a resource."""
    system_assigned = resource.get("identity") or {}
    for identity in (system_assigned, *(system_assigned.get("userAssignedIdentities") or {}).values()):
        if identity and identity.get("principalId"):
            yield str(identity["principalId"])
