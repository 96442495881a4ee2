"""Copies of files from one place of storage to another: what is done, under way, or still to do. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Folder:
    """Blobs below a path of a container, or the one blob of that name."""

    account: str
    container: str
    path: str


@dataclass(frozen=True)
class Original:
    """A file to be copied, named relative to its folder. Blobs written in blocks often have no MD5."""

    name: str
    size: int
    md5: str | None
    etag: str


def fingerprint(originals: Iterable[Original]) -> str:
    """Changes when a file does; where Azure knows no MD5, also when the same is written again."""
    lines = sorted((one.name, one.size, one.md5 or f"etag:{one.etag}") for one in originals)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Copied:
    """A file at the other end; `status` is Azure's, None where it was never copied but written."""

    name: str
    size: int
    md5: str | None
    status: str | None
    copied_bytes: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class Transfer:
    """Originals beside their copies."""

    originals: tuple[Original, ...]
    waiting: tuple[Original, ...]  # not begun, ended badly, or not the same
    pending: tuple[str, ...]
    failures: tuple[str, ...]  # of copies that ended badly, in Azure's words
    strangers: tuple[str, ...]  # at the other end, and no copy of anything
    copied_bytes: int

    @property
    def bytes(self) -> int:
        return sum(one.size for one in self.originals)

    @property
    def without_md5(self) -> int:
        """Files of which only size and Azure's word are known."""
        return sum(one.md5 is None for one in self.originals)

    @property
    def complete(self) -> bool:
        return bool(self.originals) and not (self.waiting or self.pending or self.strangers)


def compare(originals: Iterable[Original], copies: Iterable[Copied]) -> Transfer:
    """Each original is copied once name, size and MD5 (where it has one) are the same at both ends."""
    wanted, there = sorted(originals, key=lambda one: one.name), {one.name: one for one in copies}
    pairs = [(one, there.get(one.name)) for one in wanted]
    pending = {one.name for one, copy in pairs if copy and copy.status == "pending"}
    return Transfer(
        originals=tuple(wanted),
        waiting=tuple(one for one, copy in pairs if one.name not in pending and not _same(one, copy)),
        pending=tuple(sorted(pending)),
        failures=tuple(
            f"{one.name}: {copy.trouble or copy.status}" for one, copy in pairs if copy and _ended_badly(copy)
        ),
        strangers=tuple(sorted(there.keys() - {one.name for one in wanted})),
        copied_bytes=sum(_progress(one, copy) for one, copy in pairs),
    )


def _same(original: Original, copy: Copied | None) -> bool:
    if copy is None or _ended_badly(copy) or copy.size != original.size:
        return False
    return original.md5 is None or copy.md5 == original.md5


def _ended_badly(copy: Copied) -> bool:
    return copy.status in ("failed", "aborted")


def _progress(original: Original, copy: Copied | None) -> int:
    if copy and copy.status == "pending":
        return copy.copied_bytes
    return original.size if _same(original, copy) else 0
