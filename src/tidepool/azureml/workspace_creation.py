"""Create workspaces with their storage account, roles, datastores and containers."""

from collections.abc import Sequence
from typing import Any

from tidepool.arm.resource_groups import account_id
from tidepool.azureml.datastores import Datastores, default_containers
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.workspaces import default_account, write_workspace
from tidepool.default_resources import workspace_id
from tidepool.storage.account_resources import create_storage_account
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store


class WorkspaceCreation:
    """The creation of workspaces. Existing resources are kept, so that the creation can be repeated."""

    def __init__(
        self, *, store: Store, blobs: Blobs, datastores: Datastores, default_roles: DefaultRoles
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._datastores = datastores
        self._default_roles = default_roles

    async def create(self, name: str, storage_account: str, reads: Sequence[str] = ()) -> Document:
        """Create a workspace of Tidepool itself and its storage account, unless they exist.

        Its jobs may read the storage accounts `reads`, too.
        """
        create_storage_account(self._store, storage_account)
        if existing := self._store.get(workspace_id(name)):
            return existing
        self._default_roles.give_to_clusters(workspace_id(name), reads)
        account = account_id(self._store, storage_account)
        return await self.write(workspace_id(name), {"storageAccount": account})

    async def write(self, resource_id: str, properties: Document, **outer: Any) -> Document:
        """Create or update a workspace. A new one gets its default datastores and their containers."""
        is_new = self._store.get(resource_id) is None
        document = write_workspace(self._store, resource_id, properties, **outer)
        if is_new:  # roles that were removed from an existing workspace stay removed
            self._default_roles.grant_job_roles(document)
        self._datastores.create_defaults(document["id"])
        if is_new:
            for container in default_containers(self._store, document["id"]).values():
                await self._blobs.ensure_container(default_account(self._store, document["id"]), container)
        return document
