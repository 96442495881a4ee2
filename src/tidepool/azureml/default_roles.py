"""The roles that the identities of new resources get, as an administrator would assign them in Azure."""

from collections.abc import Sequence

from tidepool.access.identity import Identity
from tidepool.access.principals import identity_of
from tidepool.access.roles import BLOB_READER, JOB_ROLES, SERVING_ROLES
from tidepool.arm.requests import parse
from tidepool.arm.resource_groups import account_id
from tidepool.azureml.workspaces import workspace
from tidepool.store import Document, Store


class DefaultRoles:
    """Role assignments in the workspace of a new resource, and on that workspace's storage account."""

    def __init__(self, *, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def give_to_clusters(self, workspace_id: str, reads: Sequence[str]) -> None:
        """Give the roles that jobs need to the clusters that a workspace gets later.

        They may also read the storage accounts `reads`. In Azure, and in all other workspaces, a new cluster
        has no roles.
        """
        self._store.put(_key(workspace_id), {"accounts": list(reads)})

    def grant_cluster_roles(self, resource: Document) -> None:
        """Grant the roles that jobs need to the identity of a cluster, if its workspace gives them."""
        if self._store.get(_key(parse(resource["id"]).root)) is not None:
            self.grant_job_roles(resource)

    def grant_job_roles(self, resource: Document) -> None:
        """Grant the roles that jobs need to the identity of a workspace, as Azure does, or of a cluster."""
        self._grant(resource, *JOB_ROLES)
        principal, root = identity_of(resource), parse(resource["id"]).root
        if principal is not None:
            accounts = (self._store.get(_key(root)) or {}).get("accounts", [])
            scopes = [account_id(self._store, name) for name in accounts]
            self._identity.grant(principal, {scope: [BLOB_READER] for scope in scopes})

    def grant_serving_roles(self, resource: Document) -> None:
        """Grant the roles that deployments need to the system-assigned identity of an endpoint.

        As in Azure, a user-assigned identity has the roles that somebody assigned to it.
        """
        if (resource.get("identity") or {}).get("principalId"):
            self._grant(resource, *SERVING_ROLES)

    def revoke(self, resource: Document) -> None:
        """Remove all roles of the system-assigned identity of a deleted resource."""
        if object_id := (resource.get("identity") or {}).get("principalId"):
            self._identity.assignments.forget(object_id)

    def _grant(self, resource: Document, in_workspace: Sequence[str], on_storage: Sequence[str]) -> None:
        principal, root = identity_of(resource), parse(resource["id"]).root
        if principal is not None:
            account = workspace(self._store, root)["properties"]["storageAccount"]
            self._identity.grant(principal, {root: in_workspace, account: on_storage})


def _key(workspace_id: str) -> str:
    return f"/readAccounts/{workspace_id.rpartition('/')[2]}"
