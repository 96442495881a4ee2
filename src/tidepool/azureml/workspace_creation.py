"""Create workspaces with their storage account, roles, datastores and containers."""

from tidepool.azureml.datastores import Datastores, default_containers
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.workspaces import create_workspace_document, default_account
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

    async def create(self, name: str, storage_account: str) -> Document:
        """Create a workspace with its default datastores and their containers, and return its document."""
        is_new = self._store.get(workspace_id(name)) is None
        create_storage_account(self._store, storage_account)
        document = create_workspace_document(self._store, name, storage_account)
        if is_new:  # roles that were removed from an existing workspace stay removed
            self._default_roles.grant_job_roles(document)
        self._datastores.create_defaults(document["id"])
        for container in default_containers(self._store, document["id"]).values():
            await self._blobs.ensure_container(default_account(self._store, document["id"]), container)
        return document
