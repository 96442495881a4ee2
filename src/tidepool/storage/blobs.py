"""Blobs for Tidepool's own parts: list, read, write, folders, SAS.

Goes through storage's door, so writes raise events.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from tidepool.errors import AzureError
from tidepool.storage.accounts import Accounts
from tidepool.storage.azurite_client import Answer
from tidepool.storage.gateway import StorageGateway

Files = list[Path]
Names = list[str]
_TRANSFERS = 8  # files of a folder that travel at once


@dataclass(frozen=True)
class BlobItem:
    """A blob as a listing shows it; `content_md5` is base64 or None, `etag` has no quotes."""

    name: str
    size: int
    etag: str
    last_modified: datetime
    content_md5: str | None


class Blobs:
    """What other parts of Tidepool do with blobs.

    A refusal of storage is an AzureError with storage's code.
    """

    def __init__(self, *, storage: StorageGateway, accounts: Accounts) -> None:
        self._storage = storage
        self._accounts = accounts

    async def list(self, account: str, container: str, prefix: str = "") -> list[BlobItem]:
        """All blobs below a prefix, by name; empty where the container does not exist."""
        items: list[BlobItem] = []
        marker = ""
        while True:
            query = urlencode({"restype": "container", "comp": "list", "prefix": prefix, "marker": marker})
            answer = await self._storage.send(account, "blob", "GET", f"/{container}?{query}")
            if answer.status == 404:
                return []
            page = ElementTree.fromstring(_checked(answer).body)
            items += [_item(element) for element in page.iter("Blob")]
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return items

    async def read(self, account: str, container: str, name: str) -> bytes:
        return _checked(await self._storage.send(account, "blob", "GET", _path(container, name))).body

    async def write(self, account: str, container: str, name: str, data: bytes) -> None:
        """Put a blob, over one that is there."""
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
        _checked(
            await self._storage.send(
                account, "blob", "PUT", _path(container, name), headers=headers, body=data
            )
        )

    async def delete(self, account: str, container: str, name: str) -> None:
        _checked(await self._storage.send(account, "blob", "DELETE", _path(container, name)), or_status=404)

    async def ensure_container(self, account: str, container: str) -> None:
        answer = await self._storage.send(account, "blob", "PUT", f"/{container}?restype=container")
        _checked(answer, or_status=409)

    async def download(self, account: str, container: str, prefix: str, folder: Path) -> Files:
        """Bring all blobs below a prefix (or the one blob of that name) into a folder; returns the files."""
        turn = asyncio.Semaphore(_TRANSFERS)

        async def fetch(item: BlobItem) -> Path:
            file = folder / (_below(item.name, prefix) or Path(item.name).name)
            async with turn:
                data = await self.read(account, container, item.name)
            await asyncio.to_thread(_write_file, file, data)
            return file

        items = await self.list(account, container, prefix)
        bare = prefix.rstrip("/")
        ours = [item for item in items if not bare or item.name == bare or item.name.startswith(bare + "/")]
        return list(await asyncio.gather(*(fetch(item) for item in ours)))

    async def upload(self, folder: Path, account: str, container: str, prefix: str) -> Names:
        """Send all files below a folder; returns the names of the blobs."""
        turn = asyncio.Semaphore(_TRANSFERS)

        async def put(file: Path) -> str:
            name = "/".join(part for part in (prefix.strip("/"), file.relative_to(folder).as_posix()) if part)
            async with turn:
                await self.write(account, container, name, await asyncio.to_thread(file.read_bytes))
            return name

        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return list(await asyncio.gather(*(put(file) for file in files)))

    def sas(
        self, account: str, container: str, name: str | None = None, permission: str = "r", hours: float = 24
    ) -> str:
        """A URL with a signature of the account's key: for one blob, or for the container."""
        from azure.storage.blob import generate_blob_sas, generate_container_sas

        key, expiry = self._accounts.key(account), datetime.now(UTC) + timedelta(hours=hours)
        if name is None:
            token = generate_container_sas(
                account, container, account_key=key, permission=permission, expiry=expiry
            )
            return f"https://{account}.blob.core.windows.net/{container}?{token}"
        token = generate_blob_sas(
            account, container, name, account_key=key, permission=permission, expiry=expiry
        )
        return f"https://{account}.blob.core.windows.net{_path(container, name)}?{token}"


def _checked(answer: Answer, or_status: int | None = None) -> Answer:
    if answer.status >= 300 and answer.status != or_status:
        code = answer.header("x-ms-error-code") or "StorageError"
        raise AzureError(answer.status, code, answer.body.decode(errors="replace"))
    return answer


def _path(container: str, name: str) -> str:
    return f"/{container}/{quote(name, safe='/~')}"


def _below(name: str, prefix: str) -> str:
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
    )
