"""Gives identities of new resources the roles that somebody would assign in Azure; takes none from others."""

from collections.abc import Sequence

from tidepool.access.identity import Identity
from tidepool.access.principals import identity_of
from tidepool.access.roles import JOB_ROLES, SERVING_ROLES
from tidepool.arm.requests import parse
from tidepool.azureml.workspaces import workspace
from tidepool.store import Document, Store


class Newcomers:
    """In their own workspace and its storage account, and nowhere else."""

    def __init__(self, *, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def works(self, resource: Document) -> None:
        """A workspace or one of its clusters: jobs act as it."""
        self._endow(resource, *JOB_ROLES)

    def serves(self, resource: Document) -> None:
        """An endpoint: its deployments act as it."""
        self._endow(resource, *SERVING_ROLES)

    def leaves(self, resource: Document) -> None:
        """An identity of its own goes with a resource."""
        if object_id := (resource.get("identity") or {}).get("principalId"):
            self._identity.assignments.forget(object_id)

    def _endow(self, resource: Document, in_workspace: Sequence[str], on_storage: Sequence[str]) -> None:
        principal, root = identity_of(resource), parse(resource["id"]).root
        if principal is not None:
            account = workspace(self._store, root)["properties"]["storageAccount"]
            self._identity.endow(principal, {root: in_workspace, account: on_storage})
