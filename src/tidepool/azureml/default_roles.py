"""The roles that the identities of new resources get, as an administrator would assign them in Azure."""

from collections.abc import Sequence

from tidepool.access.identity import Identity
from tidepool.access.principals import identity_of
from tidepool.access.roles import BLOB_READER, JOB_ROLES, SERVING_ROLES
from tidepool.arm.requests import parse
from tidepool.azureml.workspaces import workspace
from tidepool.default_resources import storage_account_id
from tidepool.store import Document, Store


class DefaultRoles:
    """Role assignments in the workspace of a new resource, and on that workspace's storage account."""

    def __init__(self, *, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def let_jobs_read(self, workspace_id: str, accounts: Sequence[str]) -> None:
        """Let the jobs of a workspace read further storage accounts, on clusters made later, too."""
        if accounts:
            self._store.put(_key(workspace_id), {"accounts": list(accounts)})

    def grant_job_roles(self, resource: Document) -> None:
        """Grant the roles that jobs need to the identity of a workspace or a cluster."""
        self._grant(resource, *JOB_ROLES)
        principal, root = identity_of(resource), parse(resource["id"]).root
        if principal is not None:
            accounts = (self._store.get(_key(root)) or {}).get("accounts", [])
            self._identity.grant(principal, {storage_account_id(name): [BLOB_READER] for name in accounts})

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
