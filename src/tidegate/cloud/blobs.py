"""Blobs: of feeds, to be listed and read; of rejected events, to be kept. Writes nothing into a feed."""

import base64
from collections.abc import Iterable
from functools import cache, cached_property
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.config.schema import FeedStorage
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.errors import PermanentError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient

REJECTED = "tidegate-rejected"
_TIDEGATE = "tidegate"


class FeedFiles:
    """The containers that files arrive in; always those of the configuration, never what an event names."""

    def __init__(self, *, credential: "TokenCredential") -> None:
        self._account = cache(lambda account: blob_service(account, credential))

    def listing(self, storage: FeedStorage, prefix: str) -> list[ListedBlob]:
        """All files below a prefix, by name. NotFoundError where the container does not exist."""
        with azure_errors(f"list {storage.account}/{storage.container}/{prefix}"):
            found = self._container(storage).list_blobs(name_starts_with=prefix, include=["metadata"])
            return sorted(_files(found), key=lambda listed: listed.name)

    def read_text(self, storage: FeedStorage, path: str, max_bytes: int) -> str:
        """A small file. NotFoundError where it is missing, PermanentError where it is too long or no text."""
        where = f"{storage.account}/{storage.container}/{path}"
        with azure_errors(f"read {where}"):
            download = self._container(storage).download_blob(path)
            if download.size > max_bytes:
                raise PermanentError(f"{where} has {download.size} bytes; at most {max_bytes} are read")
            data = download.readall()
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PermanentError(f"{where} is not UTF-8: {error}") from error

    def _container(self, storage: FeedStorage) -> "ContainerClient":
        return self._account(storage.account).get_container_client(storage.container)


class RejectedEvents:
    """Where events of ours that cannot be understood are kept, as they came."""

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._where = account
        self._credential = credential

    def keep(self, name: str, content: str) -> str:
        """Write it under this name, over one that is there; returns its URL."""
        from azure.core.exceptions import ResourceNotFoundError

        with azure_errors(f"keep {REJECTED}/{name}"):
            blob = self._container.get_blob_client(name)
            try:
                blob.upload_blob(content.encode(), overwrite=True)
            except ResourceNotFoundError:  # of the container
                self.create()
                blob.upload_blob(content.encode(), overwrite=True)
            return blob.url

    def read(self, url: str) -> str:
        """What was kept under that URL. NotFoundError where it was deleted since."""
        name = url.partition(f"/{REJECTED}/")[2]
        with azure_errors(f"read {REJECTED}/{name}"):
            return str(self._container.download_blob(name, encoding="utf-8").readall())

    def create(self) -> bool:
        """Make the container where it is missing; says whether it was."""
        return create_container(self._where, REJECTED, self._credential)

    @cached_property
    def _container(self) -> "ContainerClient":
        return blob_service(self._where, self._credential).get_container_client(REJECTED)


def create_container(account: str, name: str, credential: "TokenCredential") -> bool:
    """Make a container where it is missing; says whether it was."""
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
        retry_policy=LinearRetry(backoff=1, retry_total=2),
        connection_timeout=5,
        read_timeout=20,
    )


def is_directory(blob: "BlobProperties") -> bool:
    """As accounts with a hierarchical namespace mark them: in the metadata, which must have been listed."""
    return (blob.metadata or {}).get("hdi_isfolder") == "true"


def md5_of(blob: "BlobProperties") -> str | None:
    """In base64, where storage has it."""
    md5 = blob.content_settings.content_md5
    return base64.b64encode(md5).decode() if md5 else None


def _files(found: "Iterable[BlobProperties]") -> Iterable[ListedBlob]:
    for blob in found:
        if not is_directory(blob):
            yield ListedBlob(
                name=blob.name,
                size=blob.size,
                md5=md5_of(blob),
                etag=blob.etag.strip('"'),
                modified=blob.last_modified,
            )
