"""Copies of a model's files to another storage account: which files are copied, and which are not yet."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.domain.partitions.manifest import file_identity

_WITH_ETAGS = "-etags"


@dataclass(frozen=True)
class Folder:
    """Blobs below a path of a container, or the one blob with that name."""

    account: str
    container: str
    path: str


@dataclass(frozen=True)
class OriginalFile:
    """A file to be copied, named relative to its folder. Blobs written in blocks often have no MD5."""

    name: str
    size: int
    md5: str | None
    etag: str


@dataclass(frozen=True)
class CopiedFile:
    """A file at the target. `status` is Azure's copy status, or None if no copy wrote the file."""

    name: str
    size: int
    md5: str | None
    status: str | None
    copied_bytes: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class CopyProgress:
    """The state of a copy of a folder.

    `waiting` files are not copied yet, failed to copy, or differ from the original. `failures` are in Azure's
    words. `foreign` files are at the target and are no copy of an original.
    """

    originals: tuple[OriginalFile, ...]
    waiting: tuple[OriginalFile, ...]
    pending: tuple[str, ...]
    failures: tuple[str, ...]
    foreign: tuple[str, ...]
    copied_bytes: int

    @property
    def bytes(self) -> int:
        return sum(original.size for original in self.originals)

    @property
    def without_md5(self) -> int:
        """Return how many files could be compared by size only, because Azure has no MD5 of them."""
        return sum(original.md5 is None for original in self.originals)

    @property
    def complete(self) -> bool:
        return bool(self.originals) and not (self.waiting or self.pending or self.foreign)


def files_fingerprint(originals: Iterable[OriginalFile]) -> str:
    """Return a hash of names, sizes, MD5s and ETags, which changes if a file is written.

    An MD5 alone does not identify the content, because clients can set it.
    """
    lines = sorted((file.name, file.size, file.md5 or "", file.etag) for file in originals)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest() + _WITH_ETAGS


def earlier_fingerprint(originals: Iterable[OriginalFile]) -> str:
    """Return the fingerprint of earlier releases, which is in their verdicts: it lacks most ETags."""
    lines = sorted((file.name, file.size, _content(file)) for file in originals)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def have_fingerprint(originals: Iterable[OriginalFile], fingerprint: str) -> bool:
    """Return whether files have a fingerprint that this or an earlier release took."""
    originals = tuple(originals)
    if fingerprint.endswith(_WITH_ETAGS):
        return files_fingerprint(originals) == fingerprint
    return earlier_fingerprint(originals) == fingerprint


def compare_files(originals: Iterable[OriginalFile], copies: Iterable[CopiedFile]) -> CopyProgress:
    """Compare originals with the files at the target, by name, size and MD5 if the original has one."""
    expected = sorted(originals, key=lambda original: original.name)
    at_target = {copy.name: copy for copy in copies}
    pairs = [(original, at_target.get(original.name)) for original in expected]
    pending = {original.name for original, copy in pairs if copy and copy.status == "pending"}
    return CopyProgress(
        originals=tuple(expected),
        waiting=tuple(
            original
            for original, copy in pairs
            if original.name not in pending and not _is_same(original, copy)
        ),
        pending=tuple(sorted(pending)),
        failures=tuple(
            f"{original.name}: {copy.trouble or copy.status}"
            for original, copy in pairs
            if copy and _has_failed(copy)
        ),
        foreign=tuple(sorted(at_target.keys() - {original.name for original in expected})),
        copied_bytes=sum(_copied_bytes(original, copy) for original, copy in pairs),
    )


def _content(file: OriginalFile) -> str:
    """Return the MD5 without a prefix. The form must not change, because verdicts store fingerprints."""
    return file_identity(file.md5, file.etag).removeprefix("md5:")


def _is_same(original: OriginalFile, copy: CopiedFile | None) -> bool:
    if copy is None or _has_failed(copy) or copy.size != original.size:
        return False
    return original.md5 is None or copy.md5 == original.md5


def _has_failed(copy: CopiedFile) -> bool:
    return copy.status in ("failed", "aborted")


def _copied_bytes(original: OriginalFile, copy: CopiedFile | None) -> int:
    if copy and copy.status == "pending":
        return copy.copied_bytes
    return original.size if _is_same(original, copy) else 0
