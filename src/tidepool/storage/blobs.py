"""Blob operations for the other parts of Tidepool. They use the gateway, so that writes raise events."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from tidepool.access.principals import Principal
from tidepool.errors import AzureError
from tidepool.storage.accounts import Accounts
from tidepool.storage.azurite_client import Answer
from tidepool.storage.gateway import StorageGateway

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey

Files = list[Path]
Names = list[str]
_KEY_FIELDS = {
    "SignedOid": "signed_oid",
    "SignedTid": "signed_tid",
    "SignedStart": "signed_start",
    "SignedExpiry": "signed_expiry",
    "SignedService": "signed_service",
    "SignedVersion": "signed_version",
    "Value": "value",
}
_TRANSFERS = 8  # files of a folder that are transferred at the same time


@dataclass(frozen=True)
class BlobItem:
    """A blob of a listing. `content_md5` is base64 or None; `etag` has no quotes.

    `folder` means that the blob only marks a folder.
    """

    name: str
    size: int
    etag: str
    last_modified: datetime
    content_md5: str | None
    archived: bool = False
    folder: bool = False


class Blobs:
    """The blobs of all accounts. An error of storage is raised as AzureError with storage's error code."""

    def __init__(
        self,
        *,
        storage: StorageGateway,
        accounts: Accounts,
        principal: Principal | None = None,
        sas: str = "",
    ) -> None:
        self._storage = storage
        self._accounts = accounts
        self._principal = principal
        self._sas = sas
        self._delegation_keys: dict[str, tuple[datetime, UserDelegationKey]] = {}

    def acting_as(self, principal: Principal) -> "Blobs":
        """Return the blobs as a principal may read and write them. Other operations raise AzureError 403."""
        return Blobs(storage=self._storage, accounts=self._accounts, principal=principal)

    def with_sas(self, sas: str) -> "Blobs":
        """Return the blobs as a SAS allows to read and write them. Azurite checks it."""
        return Blobs(storage=self._storage, accounts=self._accounts, sas=sas.removeprefix("?"))

    async def list(self, account: str, container: str, prefix: str = "") -> list[BlobItem]:
        """Return all blobs whose names begin with a prefix.

        The list is empty if the container does not exist.
        """
        items: list[BlobItem] = []
        marker = ""
        while True:
            query = urlencode(
                {
                    "restype": "container",
                    "comp": "list",
                    "prefix": prefix,
                    "include": "metadata",
                    "marker": marker,
                }
            )
            answer = await self._send(account, "GET", f"/{container}?{query}")
            if answer.status == 404:
                return []
            page = ElementTree.fromstring(_checked(answer).body)
            items += [_item(element) for element in page.iter("Blob")]
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return items

    async def read(self, account: str, container: str, name: str) -> bytes:
        return _checked(await self._send(account, "GET", _path(container, name))).body

    async def write(self, account: str, container: str, name: str, data: bytes) -> str:
        """Write a blob, and replace it if it exists. Return its ETag without quotes."""
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
        answer = _checked(
            await self._send(account, "PUT", _path(container, name), headers=headers, body=data)
        )
        return answer.header("etag").strip('"')

    async def delete(self, account: str, container: str, name: str) -> None:
        _checked(await self._send(account, "DELETE", _path(container, name)), or_status=404)

    async def ensure_container(self, account: str, container: str) -> None:
        answer = await self._send(account, "PUT", f"/{container}?restype=container")
        _checked(answer, or_status=409)

    async def publish_container(self, account: str, container: str) -> None:
        """Create a container that everyone can read without a token. An existing one stays as it is."""
        target, headers = f"/{container}?restype=container", {"x-ms-blob-public-access": "container"}
        answer = await self._storage.send(account, "blob", "PUT", target, headers=headers)
        _checked(answer, or_status=409)

    async def download(self, account: str, container: str, prefix: str, folder: Path) -> Files:
        """Download all blobs in a folder, or the single blob with this name, and return the files."""
        limit = asyncio.Semaphore(_TRANSFERS)

        async def fetch(item: BlobItem) -> Path:
            file = folder / (_relative_name(item.name, prefix) or Path(item.name).name)
            async with limit:
                data = await self.read(account, container, item.name)
            await asyncio.to_thread(_write_file, file, data)
            return file

        items = await self.list(account, container, prefix)
        bare = prefix.rstrip("/")
        below = [item for item in items if not bare or item.name == bare or item.name.startswith(bare + "/")]
        return list(await asyncio.gather(*(fetch(item) for item in below)))

    async def upload(self, folder: Path, account: str, container: str, prefix: str) -> Names:
        """Upload all files in a folder and its subfolders, and return the names of the blobs."""
        limit = asyncio.Semaphore(_TRANSFERS)

        async def put(file: Path) -> str:
            name = "/".join(part for part in (prefix.strip("/"), file.relative_to(folder).as_posix()) if part)
            async with limit:
                await self.write(account, container, name, await asyncio.to_thread(file.read_bytes))
            return name

        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return list(await asyncio.gather(*(put(file) for file in files)))

    async def _send(self, account: str, method: str, target: str, **request: Any) -> Answer:
        return await self._storage.send(
            account, "blob", method, target, principal=self._principal, sas=self._sas, **request
        )

    async def sas(
        self, account: str, container: str, name: str | None = None, permission: str = "r", hours: float = 24
    ) -> str:
        """Return a URL with a SAS for a blob or for the container.

        It is signed with the key of the account, or with a user delegation key if the account takes no keys.
        """
        from azure.storage.blob import generate_blob_sas, generate_container_sas

        signature: dict[str, Any] = {
            "permission": permission,
            "expiry": datetime.now(UTC) + timedelta(hours=hours),
        }
        if self._accounts.takes_keys(account):
            signature["account_key"] = self._accounts.key(account)
        else:
            signature["user_delegation_key"] = await self._delegation_key(account)
        if name is None:
            token = generate_container_sas(account, container, **signature)
            return f"https://{account}.blob.core.windows.net/{container}?{token}"
        token = generate_blob_sas(account, container, name, **signature)
        return f"https://{account}.blob.core.windows.net{_path(container, name)}?{token}"

    async def _delegation_key(self, account: str) -> "UserDelegationKey":
        """Return a user delegation key that is valid for two days. It is used again for one day."""
        from azure.storage.blob import UserDelegationKey

        now = datetime.now(UTC)
        kept = self._delegation_keys.get(account)
        if kept and now - kept[0] < timedelta(days=1):
            return kept[1]
        start, expiry = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (now, now + timedelta(days=2)))
        body = f"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>".encode()
        target = "/?restype=service&comp=userdelegationkey"
        answer = _checked(await self._send(account, "POST", target, body=body))
        key = UserDelegationKey()  # type: ignore[no-untyped-call]
        for element in ElementTree.fromstring(answer.body):
            setattr(key, _KEY_FIELDS[element.tag], element.text)
        self._delegation_keys[account] = (now, key)
        return key


def _checked(answer: Answer, or_status: int | None = None) -> Answer:
    if answer.status >= 300 and answer.status != or_status:
        code = answer.header("x-ms-error-code") or "StorageError"
        raise AzureError(answer.status, code, answer.body.decode(errors="replace"))
    return answer


def _path(container: str, name: str) -> str:
    return f"/{container}/{quote(name, safe='/~')}"


def _relative_name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix.rstrip("/")).lstrip("/")


def _write_file(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _item(element: ElementTree.Element) -> BlobItem:
    properties = element.find("Properties")
    assert properties is not None
    return BlobItem(
        name=element.findtext("Name", ""),
        size=int(properties.findtext("Content-Length", "0")),
        etag=properties.findtext("Etag", "").strip('"'),
        last_modified=parsedate_to_datetime(properties.findtext("Last-Modified", "")),
        content_md5=properties.findtext("Content-MD5") or None,
        archived=properties.findtext("AccessTier") == "Archive",
        folder=_marks_folder(element),
    )


def _marks_folder(element: ElementTree.Element) -> bool:
    """Return whether the metadata marks a folder. The case of the metadata varies between clients."""
    metadata = element.find("Metadata")
    pairs = [] if metadata is None else [(item.tag.lower(), (item.text or "").lower()) for item in metadata]
    return ("hdi_isfolder", "true") in pairs
