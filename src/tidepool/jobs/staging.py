"""Transfers between blob storage and the folders that jobs run in.

Blobs are cached by their content, so a step reads the output of an earlier step without a download.
"""

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tidepool.azureml.locations import BlobLocation
from tidepool.storage.blobs import BlobItem, Blobs

_TRANSFERS = 16  # blobs that are transferred at the same time


class DataMissingError(Exception):
    """No blob exists at the location of the data."""


class Staging:
    """Transfers through one cache folder, which all jobs share."""

    def __init__(self, *, blobs: Blobs, cache: Path) -> None:
        self._blobs = blobs
        self._cache = cache
        self._transfers = asyncio.Semaphore(_TRANSFERS)

    async def fetch(self, source: BlobLocation, target: Path, *, writable: bool) -> Path:
        """Fetch a blob or a folder of blobs to `target`, and return the file or the folder.

        Files that are not writable are hard links to the cache. Raise DataMissingError if no blob exists.
        """
        prefix = source.path.strip("/")
        items = await self.listing(source)
        if not items:
            raise DataMissingError(f"{source.url} was not found")
        await asyncio.gather(*(self._cache_blob(source, item) for item in items))
        is_file = [item.name for item in items] == [prefix]
        start = len(prefix.rpartition("/")[0]) if is_file else len(prefix)
        copies = [(self._cached(source, item), target / item.name[start:].lstrip("/")) for item in items]
        await asyncio.to_thread(_copy_from_cache, copies, writable)
        return copies[0][1] if is_file else target

    async def listing(self, source: BlobLocation) -> list[BlobItem]:
        """Return only the blob with this name if it exists.

        Otherwise return the blobs in the folder of this name.
        """
        prefix = source.path.strip("/")
        items = await self._blobs.list(source.account, source.container, prefix)
        blob = next((item for item in items if item.name == prefix), None)
        if blob:
            return [blob]
        return [item for item in items if not prefix or item.name.startswith(f"{prefix}/")]

    async def send(self, source: Path, target: BlobLocation) -> int:
        """Upload a file, or all files of a folder, and return how many blobs were written."""
        files = [source] if source.is_file() else sorted(file for file in source.rglob("*") if file.is_file())
        prefix = target.path.strip("/")
        names = [
            prefix if source.is_file() else f"{prefix}/{file.relative_to(source).as_posix()}"
            for file in files
        ]
        await asyncio.gather(
            *(self._write(target, name.lstrip("/"), file) for name, file in zip(names, files, strict=True))
        )
        return len(files)

    async def _cache_blob(self, source: BlobLocation, item: BlobItem) -> None:
        cached = self._cached(source, item)
        if cached.exists():
            return
        async with self._transfers:
            data = await self._blobs.read(source.account, source.container, item.name)
        await asyncio.to_thread(_keep, data, cached)

    async def _write(self, target: BlobLocation, name: str, file: Path) -> None:
        async with self._transfers:
            data = await asyncio.to_thread(file.read_bytes)
            await self._blobs.write(target.account, target.container, name, data)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        await asyncio.to_thread(_keep, data, self._path(f"{digest}-{len(data)}"))

    def _cached(self, source: BlobLocation, item: BlobItem) -> Path:
        """Return the cache file of a blob.

        Its name is the MD5 of the blob if storage has one, otherwise the ETag.
        """
        if item.content_md5:
            return self._path(f"{base64.b64decode(item.content_md5).hex()}-{item.size}")
        version = f"{source.account}/{source.container}/{item.name}/{item.etag}"
        return self._path(hashlib.sha256(version.encode()).hexdigest())

    def _path(self, key: str) -> Path:
        return self._cache / key[:2] / key


def _keep(data: bytes, cached: Path) -> None:
    if cached.exists():
        return
    cached.parent.mkdir(parents=True, exist_ok=True)
    part = cached.with_name(f"{cached.name}.{os.urandom(4).hex()}")
    part.write_bytes(data)
    part.chmod(0o444)
    part.replace(cached)


def _copy_from_cache(copies: Iterable[tuple[Path, Path]], writable: bool) -> None:
    """Copy or link each (file in the cache, target)."""
    for cached, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        if writable:
            shutil.copyfile(cached, target)
        else:
            try:
                target.hardlink_to(cached)
            except OSError:  # the target is on another file system, or the file has too many links
                shutil.copyfile(cached, target)
