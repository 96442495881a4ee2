"""Small files in a workspace's datastores: manifests, results and model files."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.blobs import blob_service
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.lifecycle.file_copy import Folder
from tidegate.domain.partitions.manifest import MAX_MANIFEST_BYTES
from tidegate.errors import NotFoundError, PermanentError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient, StorageStreamDownloader

_MAX_BYTES = MAX_MANIFEST_BYTES  # manifests are the largest files that the service reads


class DatastoreClient:
    """A client for datastores that uses the service's own identity, not the datastore's credentials."""

    def __init__(self, client: LazyMLClient) -> None:
        self._client = client
        self._container = cache(self._open)

    def read(self, datastore: str, path: str, max_bytes: int = _MAX_BYTES) -> bytes:
        """Return the content of a file.

        Raise NotFoundError if the file does not exist, and PermanentError if the file is longer than
        `max_bytes`.
        """
        with azure_errors(f"read {datastore}/{path}"):
            return self._download(datastore, path, max_bytes).readall()

    def chunks(self, datastore: str, path: str, max_bytes: int) -> Iterator[bytes]:
        """Yield the content of a large file in parts.

        Raise NotFoundError if the file does not exist, and PermanentError if the file is longer than
        `max_bytes`.
        """
        with azure_errors(f"read {datastore}/{path}"):
            yield from self._download(datastore, path, max_bytes).chunks()

    def write(self, datastore: str, path: str, content: Iterable[bytes]) -> None:
        """Write a file from its parts. A large file is sent in blocks, and appears whole after the last."""
        with azure_errors(f"write {datastore}/{path}"):
            self._blob(datastore, path).upload_blob(iter(content), overwrite=True)

    def exists(self, datastore: str, path: str) -> bool:
        """Return whether a file exists."""
        with azure_errors(f"look for {datastore}/{path}"):
            return bool(self._blob(datastore, path).exists())

    def names(self, datastore: str, prefix: str) -> list[str]:
        """Return the paths of all files that begin with a prefix."""
        with azure_errors(f"list {datastore}/{prefix}"):
            blobs = self._container(datastore).list_blob_names(name_starts_with=prefix)
            return [str(name) for name in blobs]

    def delete(self, datastore: str, path: str) -> None:
        """Delete a file. A file that does not exist counts as deleted."""
        try:
            with azure_errors(f"delete {datastore}/{path}"):
                self._blob(datastore, path).delete_blob()
        except NotFoundError:
            return

    def url(self, datastore: str, path: str) -> str:
        """Return the URL of a file, for people."""
        with azure_errors(f"locate {datastore}/{path}"):
            return self._blob(datastore, path).url

    def folder(self, datastore: str, path: str) -> Folder:
        """Return the storage account, container and path of a folder in a datastore."""
        container = self._container(datastore)
        return Folder(str(container.account_name), container.container_name, path)

    def _download(self, datastore: str, path: str, max_bytes: int) -> "StorageStreamDownloader[bytes]":
        download = self._blob(datastore, path).download_blob()
        if download.size > max_bytes:
            raise PermanentError(
                f"{datastore}/{path} has {download.size} bytes, but at most {max_bytes} are read"
            )
        return download

    def _blob(self, datastore: str, path: str) -> "BlobClient":
        return self._container(datastore).get_blob_client(path)

    def _open(self, datastore: str) -> "ContainerClient":
        with ml_errors(f"find datastore {datastore}"):
            entity = self._client.ml.datastores.get(datastore)
        service = blob_service(entity.account_name, self._client.credential)
        return service.get_container_client(entity.container_name)
