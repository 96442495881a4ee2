"""Transfers between blob storage and the folders that jobs run in.

Blobs are cached by address and ETag, so a step reads the output of an earlier step without a download.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from tidepool.access.applications import Applications
from tidepool.access.principals import Principal
from tidepool.azureml.locations import BlobLocation
from tidepool.errors import AzureError
from tidepool.storage.blobs import BlobItem, Blobs

_TRANSFERS = 16  # blobs that are transferred at the same time
_LONGEST_SEGMENT = 255  # bytes of a file name on Linux


class DataMissingError(Exception):
    """No blob exists at the location of the data."""


class Staging:
    """Transfers through one cache folder, which all jobs share."""

    def __init__(self, *, blobs: Blobs, applications: Applications, cache: Path) -> None:
        self._blobs = blobs
        self._applications = applications
        self._own = blobs  # for data of datastores with credentials
        self._cache = cache
        self._transfers = asyncio.Semaphore(_TRANSFERS)

    def acting_as(self, principal: Principal) -> "Staging":
        """Return transfers that need a role of a principal, unless a datastore has credentials."""
        staging = copy(self)
        staging._blobs = self._own.acting_as(principal)
        return staging

    @contextmanager
    def _blobs_at(self, location: BlobLocation) -> Iterator[Blobs]:
        """Enter with the blobs as the datastore's credentials, or else the principal, may use them."""
        credential = location.credential
        if credential is None:
            yield self._own if location.keyed else self._blobs
            return
        try:
            yield credential.blobs(self._own, self._applications)
        except AzureError as error:
            message = (
                f"The credentials of the datastore '{credential.datastore}' are refused: {error.message}"
            )
            raise AzureError(error.status, error.code, message) from error

    async def fetch(self, source: BlobLocation, target: Path, *, writable: bool) -> Path:
        """Fetch a blob or a folder of blobs to `target`, and return the file or the folder.

        Files that are not writable are a mount: hard links to the cache. A mount lacks blobs whose name no
        file system allows, and a blob in the archive tier cannot be opened in it. A download fails at such a
        blob. Raise DataMissingError if no blob exists, or if a download fails.
        """
        prefix = source.path.strip("/")
        items = await self.listing(source)
        if not items:
            raise DataMissingError(f"{source.url} was not found")
        is_file = [item.name for item in items] == [prefix]
        start = len(prefix.rpartition("/")[0]) if is_file else len(prefix)
        names = {item.name[start:].removeprefix("/"): item for item in items if not item.folder}
        problems = mount_problems(names)
        if problems and (writable or is_file):
            name, problem = next(iter(problems.items()))
            raise DataMissingError(f"{source.url}: {name} cannot be downloaded, because {problem}")
        for name in problems:
            if not names[name].archived:
                del names[name]
        read = [item for item in names.values() if not item.archived]
        await asyncio.gather(*(self._cache_blob(source, item) for item in read))
        copies = [(self._cached(source, item), target / name) for name, item in names.items()]
        if not is_file:
            target.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_copy_from_cache, copies, writable)
        return copies[0][1] if is_file else target

    async def listing(self, source: BlobLocation) -> list[BlobItem]:
        """Return only the blob with this name if it exists.

        Otherwise return the blobs in the folder of this name.
        """
        prefix = source.path.strip("/")
        with self._blobs_at(source) as blobs:
            items = await blobs.list(source.account, source.container, prefix)
        blob = next((item for item in items if item.name == prefix), None)
        if blob:
            return [blob]
        return [item for item in items if not prefix or item.name.startswith(f"{prefix}/")]

    async def text(self, source: BlobLocation) -> str | None:
        """Return the text of a blob, or None if there is none."""
        if not await self.listing(source):
            return None
        with self._blobs_at(source) as blobs:
            data = await blobs.read(source.account, source.container, source.path.strip("/"))
        return data.decode()

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
        with self._blobs_at(source) as blobs:
            async with self._transfers:
                data = await blobs.read(source.account, source.container, item.name)
        await asyncio.to_thread(_keep, data, cached)

    async def _write(self, target: BlobLocation, name: str, file: Path) -> None:
        with self._blobs_at(target) as blobs:
            async with self._transfers:
                data = await asyncio.to_thread(file.read_bytes)
                etag = await blobs.write(target.account, target.container, name, data)
        await asyncio.to_thread(_keep, data, self._cached_version(target, name, etag))

    def _cached(self, source: BlobLocation, item: BlobItem) -> Path:
        """Return the cache file of a blob: its name is made from address and ETag.

        The MD5 in storage is what the client sent, so other content may have the same one.
        """
        if item.archived:
            return self._cache / "archived"
        return self._cached_version(source, item.name, item.etag)

    def _cached_version(self, location: BlobLocation, name: str, etag: str) -> Path:
        version = f"{location.account}/{location.container}/{name}/{etag}"
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


def mount_problems(names: Mapping[str, BlobItem]) -> dict[str, str]:
    """Return the names of blobs that a file system cannot hold or read, each with the reason."""
    folders = {
        "/".join(parts[:end]) for name in names if (parts := name.split("/")) for end in range(len(parts))
    }
    problems: dict[str, str] = {}
    for name, item in names.items():
        parts = name.split("/")
        if {"", ".", ".."} & set(parts):
            problems[name] = "its name has an empty part, . or .."
        elif max(len(part.encode()) for part in parts) > _LONGEST_SEGMENT:
            problems[name] = "its name is too long for a file system"
        elif name in folders:
            problems[name] = "a folder has the same name"
        elif item.archived:
            problems[name] = "it is in the archive tier (BlobArchived)"
    return problems


def _copy_from_cache(copies: Iterable[tuple[Path, Path]], writable: bool) -> None:
    """Copy or link each (file in the cache, target)."""
    for cached, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cached.exists():  # the blob is in the archive tier: the file is there and cannot be opened
            target.symlink_to(cached)
        elif writable:
            shutil.copyfile(cached, target)
        else:
            try:
                target.hardlink_to(cached)
            except OSError:  # the target is on another file system, or the file has too many links
                shutil.copyfile(cached, target)
