"""The dead letters of the event subscriptions: blobs with events that Event Grid could not deliver."""

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.blobs import blob_service, create_container
from tidegate.errors import NotFoundError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

DEAD_LETTERS = "tidegate-deadletter"
COUNTED = 1000  # more dead letters than this are not counted


class DeadLetterClient:
    """A client for the container to which Event Grid writes dead letters. A missing container has none."""

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._account = account
        self._credential = credential

    def names(self, most: int = COUNTED) -> list[str]:
        """Return the names of at most `most` blobs, each with the events of one delivery."""
        try:
            with azure_errors(f"list {DEAD_LETTERS}"):
                return [str(name) for name in islice(self._container.list_blob_names(), most)]
        except NotFoundError:
            return []

    def read(self, name: str) -> str:
        """Return the events of a blob as JSON. Raise NotFoundError if the blob was deleted."""
        with azure_errors(f"read {DEAD_LETTERS}/{name}"):
            data: bytes = self._container.download_blob(name).readall()
            return data.decode(errors="replace")

    def delete(self, name: str) -> None:
        """Delete a blob. A blob that does not exist counts as deleted."""
        try:
            with azure_errors(f"delete {DEAD_LETTERS}/{name}"):
                self._container.delete_blob(name)
        except NotFoundError:
            return

    def create(self) -> bool:
        """Create the container if it does not exist. Return whether it was created."""
        return create_container(self._account, DEAD_LETTERS, self._credential)

    @cached_property
    def _container(self) -> "ContainerClient":
        return blob_service(self._account, self._credential).get_container_client(DEAD_LETTERS)
