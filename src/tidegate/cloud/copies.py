"""Copies of blobs from one storage account to another, made by Azure Storage itself.

No file passes through this process.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors, error_code_of
from tidegate.cloud.blobs import blob_service, is_directory, md5_of
from tidegate.domain.lifecycle.file_copy import CopiedFile, CopyProgress, Folder, OriginalFile, compare_files

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobProperties, BlobServiceClient, UserDelegationKey

_SIGNATURE_LIFETIME = timedelta(hours=24)  # a copy uses the same signature from its start to its end
_CLOCK_SKEW = timedelta(minutes=15)


class BlobCopyClient:
    """A client that starts copies of blobs and compares source and target.

    The client never waits for a copy.
    """

    def __init__(self, *, credential: "TokenCredential") -> None:
        self._account = cache(lambda account: blob_service(account, credential))

    def list_files(self, source: Folder) -> list[OriginalFile]:
        """Return the files of a folder, which are to be copied."""
        with azure_errors(f"list {source.account}/{source.container}/{source.path}"):
            return [_original(name, blob) for name, blob in self._blobs(source)]

    def compare(self, originals: Iterable[OriginalFile], target: Folder) -> CopyProgress:
        """Compare the files that are to be copied with the target folder as it is now."""
        with azure_errors(f"list {target.account}/{target.container}/{target.path}"):
            copies = [_copied(name, blob) for name, blob in self._blobs(target)]
        return compare_files(originals, copies)

    def begin(self, source: Folder, target: Folder, originals: Iterable[OriginalFile]) -> None:
        """Start to copy each file that has not changed since it was listed. A running copy continues.

        A user-delegation signature lets the target's storage account read this one blob and nothing else.
        https://learn.microsoft.com/rest/api/storageservices/copy-blob
        """
        with azure_errors(f"sign URLs for {source.account}/{source.container}"):
            key = self._delegation_key(source.account)
        for original in originals:
            with azure_errors(
                f"copy to {target.account}/{target.container}/{_inside(target, original.name)}"
            ):
                self._begin(self._signed(source, original, key), target, original)

    def _begin(self, url: str, target: Folder, original: OriginalFile) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        blob = self._account(target.account).get_blob_client(target.container, _inside(target, original.name))
        try:
            blob.start_copy_from_url(
                url,
                source_etag=f'"{original.etag}"',
                source_match_condition=MatchConditions.IfNotModified,
            )
        except HttpResponseError as error:
            if error_code_of(error) != "PendingCopyOperation":
                raise

    def _signed(self, folder: Folder, original: OriginalFile, key: "UserDelegationKey") -> str:
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        name, now = _inside(folder, original.name), datetime.now(UTC)
        signature = generate_blob_sas(
            folder.account,
            folder.container,
            name,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            start=now - _CLOCK_SKEW,
            expiry=now + _SIGNATURE_LIFETIME,
        )
        url = self._account(folder.account).get_blob_client(folder.container, name).url
        return f"{url}?{signature}"

    def _delegation_key(self, account: str) -> "UserDelegationKey":
        now = datetime.now(UTC)
        return self._account(account).get_user_delegation_key(now - _CLOCK_SKEW, now + _SIGNATURE_LIFETIME)

    def _blobs(self, folder: Folder) -> "Iterator[tuple[str, BlobProperties]]":
        """Yield each file of a folder with its name below the folder.

        If the path names one blob, its name is empty.
        """
        service: BlobServiceClient = self._account(folder.account)
        container = service.get_container_client(folder.container)
        base = folder.path.rstrip("/")
        for blob in container.list_blobs(name_starts_with=base, include=["copy", "metadata"]):
            if not is_directory(blob) and (blob.name == base or blob.name.startswith(f"{base}/")):
                yield blob.name.removeprefix(base).lstrip("/"), blob


def _inside(folder: Folder, name: str) -> str:
    return f"{folder.path.rstrip('/')}/{name}".rstrip("/")


def _original(name: str, blob: "BlobProperties") -> OriginalFile:
    return OriginalFile(name=name, size=blob.size, md5=md5_of(blob), etag=blob.etag.strip('"'))


def _copied(name: str, blob: "BlobProperties") -> CopiedFile:
    done = str(blob.copy.progress or "0/0").partition("/")[0]
    return CopiedFile(
        name=name,
        size=blob.size,
        md5=md5_of(blob),
        status=blob.copy.status,
        copied_bytes=int(done),
        trouble=str(blob.copy.status_description or ""),
    )
