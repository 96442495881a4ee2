"""Blobs of a storage account: the files of feeds, and the rejected events that the service keeps."""

import base64
import hashlib
from collections.abc import Iterable
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import RETRIES, client_options
from tidegate.config.schema import FeedStorage
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.errors import ConflictError, NotFoundError, PermanentError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient

REJECTED = "tidegate-rejected"
_TIDEGATE = "tidegate"
_BLOCK_BYTES = 4 * 1024 * 1024  # what is larger is uploaded in blocks, so that it is not copied whole


class FeedFiles:
    """The files in the feeds' containers.

    The containers always come from the configuration, never from an event.
    """

    def __init__(self, *, credential: "TokenCredential") -> None:
        self._account = cache(lambda account: blob_service(account, credential))

    def listing(self, storage: FeedStorage, prefix: str) -> list[ListedBlob]:
        """Return all files whose names begin with `prefix`, sorted by name.

        Raise NotFoundError if the container does not exist.
        """
        with azure_errors(f"list {storage.account}/{storage.container}/{prefix}"):
            blobs = self._container(storage).list_blobs(name_starts_with=prefix, include=["metadata"])
            return sorted(_files(blobs), key=lambda file: file.name)

    def folders(self, storage: FeedStorage, prefix: str, depth: int) -> list[str]:
        """Return the folders `depth` levels below `prefix`, without a listing of their files.

        Raise NotFoundError if the container does not exist.
        """
        folders = [prefix]
        with azure_errors(f"list the folders of {storage.account}/{storage.container}/{prefix}"):
            for _ in range(depth):
                folders = [inner for folder in folders for inner in self._folders_in(storage, folder)]
        return folders

    def level(self, storage: FeedStorage, prefix: str) -> tuple[list[str], list[str]]:
        """Return the names of the files and of the folders directly below `prefix`.

        Raise NotFoundError if the container does not exist.
        """
        from azure.storage.blob import BlobPrefix

        files: list[str] = []
        folders: list[str] = []
        with azure_errors(f"list {storage.account}/{storage.container}/{prefix}"):
            for item in self._container(storage).walk_blobs(prefix, include=["metadata"], delimiter="/"):
                if isinstance(item, BlobPrefix):
                    folders.append(item.name)
                elif not item.name.endswith("/") and not is_directory(item):
                    files.append(item.name)
        return files, folders

    def names(self, storage: FeedStorage, prefix: str, limit: int) -> list[str]:
        """Return the names of at most `limit` files whose names begin with `prefix`.

        Raise NotFoundError if the container does not exist.
        """
        with azure_errors(f"list {storage.account}/{storage.container}/{prefix}"):
            blobs = self._container(storage).list_blobs(name_starts_with=prefix, include=["metadata"])
            files = (file.name for file in _files(blobs) if not file.name.endswith("/"))
            return list(islice(files, limit))

    def _folders_in(self, storage: FeedStorage, prefix: str) -> list[str]:
        from azure.storage.blob import BlobPrefix

        items = self._container(storage).walk_blobs(name_starts_with=prefix, delimiter="/")
        return [item.name for item in items if isinstance(item, BlobPrefix)]

    def read(self, storage: FeedStorage, path: str, max_bytes: int) -> bytes:
        """Return the content of a small file.

        Raise NotFoundError if the file does not exist, and PermanentError if it is longer than `max_bytes`.
        """
        file = f"{storage.account}/{storage.container}/{path}"
        with azure_errors(f"read {file}"):
            download = self._container(storage).download_blob(path)
            if download.size > max_bytes:
                raise PermanentError(
                    f"{file} has {download.size} bytes, but at most {max_bytes} are read: make it smaller"
                )
            return bytes(download.readall())

    def md5(self, storage: FeedStorage, path: str, etag: str) -> str:
        """Read a file that has this ETag, and return the MD5 of its content in base64.

        Raise ConflictError if the file was written or deleted since it was listed.
        """
        from azure.core import MatchConditions

        file, digest = f"{storage.account}/{storage.container}/{path}", hashlib.md5(usedforsecurity=False)
        try:
            with azure_errors(f"read {file}"):
                download = self._container(storage).download_blob(
                    path, etag=f'"{etag}"', match_condition=MatchConditions.IfNotModified
                )
                for chunk in download.chunks():
                    digest.update(chunk)
        except NotFoundError as error:
            raise ConflictError(str(error)) from error
        return base64.b64encode(digest.digest()).decode()

    def _container(self, storage: FeedStorage) -> "ContainerClient":
        return self._account(storage.account).get_container_client(storage.container)


class RejectedEvents:
    """The store of events that the service could not read. Each event is stored as it was received."""

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._account = account
        self._credential = credential

    def keep(self, name: str, content: str) -> str:
        """Write an event under this name, replacing an older event, and return the URL of the blob."""
        from azure.core.exceptions import ResourceNotFoundError

        with azure_errors(f"keep {REJECTED}/{name}"):
            blob = self._container.get_blob_client(name)
            try:
                blob.upload_blob(content.encode(), overwrite=True)
            except ResourceNotFoundError:  # the container does not exist yet
                self.create()
                blob.upload_blob(content.encode(), overwrite=True)
            return blob.url

    def read(self, url: str) -> str:
        """Return the event that is stored at a URL. Raise NotFoundError if the event was deleted."""
        name = url.partition(f"/{REJECTED}/")[2]
        with azure_errors(f"read {REJECTED}/{name}"):
            return str(self._container.download_blob(name, encoding="utf-8").readall())

    def create(self) -> bool:
        """Create the container if it does not exist. Return whether it was created."""
        return create_container(self._account, REJECTED, self._credential)

    @cached_property
    def _container(self) -> "ContainerClient":
        return blob_service(self._account, self._credential).get_container_client(REJECTED)


def create_container(account: str, name: str, credential: "TokenCredential") -> bool:
    """Create a container if it does not exist. Return whether it was created."""
    from azure.core.exceptions import ResourceExistsError

    with azure_errors(f"create container {account}/{name}"):
        try:
            blob_service(account, credential).create_container(name)
        except ResourceExistsError:
            return False
        return True


def tidegate_containers(account: str, credential: "TokenCredential") -> set[str]:
    """Return the names of the account's containers that begin with `tidegate`."""
    with azure_errors(f"list containers of {account}"):
        containers = blob_service(account, credential).list_containers(name_starts_with=_TIDEGATE)
        return {str(container.name) for container in containers}


def blob_service(account: str, credential: "TokenCredential") -> "BlobServiceClient":
    from azure.storage.blob import BlobServiceClient, LinearRetry

    return BlobServiceClient(
        f"https://{account}.blob.core.windows.net",
        credential=credential,
        **client_options(),
        max_single_put_size=_BLOCK_BYTES,
        max_block_size=_BLOCK_BYTES,
        retry_policy=LinearRetry(backoff=1, retry_total=RETRIES, random_jitter_range=1),
    )


def is_directory(blob: "BlobProperties") -> bool:
    """Return whether a listed blob stands for a directory.

    Accounts with a hierarchical namespace mark directories in the metadata, so list with the metadata. The
    case of the metadata varies. Older Hadoop drivers write an empty blob with a name of its own.
    """
    metadata = {key.lower(): str(value).lower() for key, value in (blob.metadata or {}).items()}
    return metadata.get("hdi_isfolder") == "true" or (blob.size == 0 and blob.name.endswith("_$folder$"))


def md5_of(blob: "BlobProperties") -> str | None:
    """Return the blob's MD5 in base64, or None if the storage account has none."""
    md5 = blob.content_settings.content_md5
    return base64.b64encode(md5).decode() if md5 else None


def _files(blobs: "Iterable[BlobProperties]") -> Iterable[ListedBlob]:
    for blob in blobs:
        if not is_directory(blob):
            yield ListedBlob(
                name=blob.name,
                size=blob.size,
                md5=md5_of(blob),
                etag=blob.etag.strip('"'),
                modified=blob.last_modified,
                archived=str(blob.blob_tier or "").lower() == "archive",
            )
