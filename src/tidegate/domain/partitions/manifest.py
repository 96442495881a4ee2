"""The manifest of a month version: its files, in a fixed order, with one hash."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ListedBlob:
    """A blob as a listing shows it. `etag` without quotes, `md5` in base64, where Azure knows it."""

    name: str
    size: int
    md5: str | None
    etag: str
    modified: datetime

    @property
    def content(self) -> str:
        """Changes when the content does; where Azure knows no MD5, also when the same is written again."""
        return f"md5:{self.md5}" if self.md5 else f"etag:{self.etag}"


@dataclass(frozen=True)
class Manifest:
    """What a version of a month consists of: name -> (size, content), by name."""

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
        """JSON lines, ASCII: the same entries are the same bytes."""
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
        """Names of entries whose file has another content now. What is gone or new is not among them."""
        now = {file.name: (file.size, file.content) for file in files}
        return [name for name, *content in self.entries if name in now and now[name] != tuple(content)]
