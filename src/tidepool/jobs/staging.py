"""Brings data to where jobs run, and back: blobs into folders and out of them. Knows nothing of jobs.

Blobs are cached by their content, so a step reads what the step before it wrote without any transfer.
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

_TRANSFERS = 16  # blobs that travel at once


class DataMissingError(Exception):
    """There is nothing where the data should be."""


class Staging:
    """Transfers through one cache folder, shared by all jobs."""

    def __init__(self, *, blobs: Blobs, cache: Path) -> None:
        self._blobs = blobs
        self._cache = cache
        self._turn = asyncio.Semaphore(_TRANSFERS)

    async def fetch(self, source: BlobLocation, target: Path, *, writable: bool) -> Path:
        """Bring a blob or a folder of blobs below `target`; returns the file or the folder.

        What is not writable shares its bytes with the cache. DataMissingError where there is no such blob.
        """
        prefix = source.path.strip("/")
        items = await self.listing(source)
        one = items[0] if [item.name for item in items] == [prefix] else None
        if not items:
            raise DataMissingError(f"{source.url} was not found")
        await asyncio.gather(*(self._bring(source, item) for item in items))
        start = len(prefix.rpartition("/")[0]) if one else len(prefix)
        places = [(self._cached(source, item), target / item.name[start:].lstrip("/")) for item in items]
        await asyncio.to_thread(_place, places, writable)
        return places[0][1] if one else target

    async def listing(self, source: BlobLocation) -> list[BlobItem]:
        """The blob of that name, alone, or else the blobs below it."""
        prefix = source.path.strip("/")
        found = await self._blobs.list(source.account, source.container, prefix)
        one = next((item for item in found if item.name == prefix), None)
        return [one] if one else [item for item in found if not prefix or item.name.startswith(f"{prefix}/")]

    async def send(self, source: Path, target: BlobLocation) -> int:
        """Upload a file to a blob, or a folder below one; returns how many blobs were written."""
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

    async def _bring(self, source: BlobLocation, item: BlobItem) -> None:
        cached = self._cached(source, item)
        if cached.exists():
            return
        async with self._turn:
            data = await self._blobs.read(source.account, source.container, item.name)
        await asyncio.to_thread(_keep, data, cached)

    async def _write(self, target: BlobLocation, name: str, file: Path) -> None:
        async with self._turn:
            data = await asyncio.to_thread(file.read_bytes)
            await self._blobs.write(target.account, target.container, name, data)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        await asyncio.to_thread(_keep, data, self._path(f"{digest}-{len(data)}"))

    def _cached(self, source: BlobLocation, item: BlobItem) -> Path:
        """Content decides where storage knows its MD5; else this version of this blob."""
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


def _place(places: Iterable[tuple[Path, Path]], writable: bool) -> None:
    for cached, target in places:
        target.parent.mkdir(parents=True, exist_ok=True)
        if writable:
            shutil.copyfile(cached, target)
        else:
            try:
                target.hardlink_to(cached)
            except OSError:  # another file system, or too many links
                shutil.copyfile(cached, target)
