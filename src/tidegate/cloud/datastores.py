"""Small blobs of a workspace's datastores: manifests in, results out, model files. Lists nothing."""

from functools import cache
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.blobs import blob_service
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.lifecycle.file_copy import Folder
from tidegate.errors import PermanentError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

_MOST_BYTES = 64 * 1024 * 1024


class DatastoreClient:
    """Reads and writes with the service's own identity, not with the datastore's credentials."""

    def __init__(self, client: LazyMLClient) -> None:
        self._client = client
        self._container = cache(self._open)

    def read(self, datastore: str, path: str) -> bytes:
        """NotFoundError where there is no such blob."""
        with azure_errors(f"read {datastore}/{path}"):
            download = self._blob(datastore, path).download_blob()
            if download.size > _MOST_BYTES:
                raise PermanentError(
                    f"{datastore}/{path} has {download.size} bytes; at most {_MOST_BYTES} are read"
                )
            return download.readall()

    def write(self, datastore: str, path: str, content: bytes) -> None:
        with azure_errors(f"write {datastore}/{path}"):
            self._blob(datastore, path).upload_blob(content, overwrite=True)

    def url(self, datastore: str, path: str) -> str:
        """Where people find the blob."""
        with azure_errors(f"locate {datastore}/{path}"):
            return self._blob(datastore, path).url

    def folder(self, datastore: str, path: str) -> Folder:
        """Where the blobs below a path are."""
        container = self._container(datastore)
        return Folder(str(container.account_name), container.container_name, path)

    def _blob(self, datastore: str, path: str) -> "BlobClient":
        return self._container(datastore).get_blob_client(path)

    def _open(self, datastore: str) -> "ContainerClient":
        with ml_errors(f"find datastore {datastore}"):
            found = self._client.ml.datastores.get(datastore)
        service = blob_service(found.account_name, self._client.credential)
        return service.get_container_client(found.container_name)
