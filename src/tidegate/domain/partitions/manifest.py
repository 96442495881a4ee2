"""The manifest of a partition version: its files, in a fixed order, with one hash."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


def file_identity(md5: str | None, etag: str) -> str:
    """Return what identifies the content of a blob: its MD5, or its ETag if Azure has no MD5.

    An ETag also changes if the same content is written again.
    """
    return f"md5:{md5}" if md5 else f"etag:{etag}"


@dataclass(frozen=True)
class ListedBlob:
    """A blob as a listing shows it: `etag` without quotes, `md5` in base64 or None if Azure has none."""

    name: str
    size: int
    md5: str | None
    etag: str
    modified: datetime

    @property
    def content(self) -> str:
        """Return the identity of the blob's content."""
        return file_identity(self.md5, self.etag)


@dataclass(frozen=True)
class Manifest:
    """The files of a partition version: (name, size, content) of each, sorted by name."""

    entries: tuple[tuple[str, int, str], ...]

    @classmethod
    def of(cls, files: Iterable[ListedBlob]) -> "Manifest":
        return cls(tuple(sorted((file.name, file.size, file.content) for file in files)))

    @classmethod
    def from_text(cls, text: str) -> "Manifest":
        lines = [json.loads(line) for line in text.splitlines() if line]
        return cls(tuple((line["name"], line["size"], line["content"]) for line in lines))

    @property
    def text(self) -> str:
        """Return the manifest as JSON lines in ASCII: the same entries always give the same bytes."""
        lines = ({"name": name, "size": size, "content": content} for name, size, content in self.entries)
        return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _ in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def changed_in(self, files: Iterable[ListedBlob]) -> list[str]:
        """Return the names of entries whose file has other content now, without deleted and new files."""
        now = {file.name: (file.size, file.content) for file in files}
        return [name for name, *content in self.entries if name in now and now[name] != tuple(content)]
