"""The manifest of a partition version: its files, in a fixed order, with one hash."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

MAX_MANIFEST_BYTES = 64 * 1024 * 1024  # some 500,000 files
_BLOCK_BYTES = 1024 * 1024


def file_identity(md5: str | None, etag: str) -> str:
    """Return what identifies the content of a blob: its MD5, or its ETag if Azure has no MD5.

    An ETag also changes if the same content is written again. An MD5 may be that of earlier content: a client
    that writes in blocks sets it, and Azure does not check it. See domain/partitions/rewritten_files.
    """
    return f"md5:{md5}" if md5 else f"etag:{etag}"


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A blob as a listing shows it: `etag` without quotes, `md5` in base64 or None if Azure has none.

    `problem` says why no job can read the file, or is empty. `looked` is the identity of the content if it is
    known better than from the listing.
    """

    name: str
    size: int
    md5: str | None
    etag: str
    modified: datetime
    archived: bool = False
    problem: str = ""
    looked: str = ""

    @property
    def content(self) -> str:
        """Return the identity of the blob's content."""
        return self.looked or file_identity(self.md5, self.etag)

    @property
    def has_other_md5(self) -> bool:
        """Return whether the blob's MD5 is known not to be that of its content."""
        return self.content != file_identity(self.md5, self.etag)


@dataclass(frozen=True)
class Manifest:
    """The files of a partition version: (name, size, content) of each, sorted by name.

    `errors` has the reason for each file that no job can read. It is not part of the files' identity: if old
    files are archived, they are the same files. `etags` has the ETag that each file with an MD5 had
    when its content was known. It is no part of the identity either.
    """

    entries: tuple[tuple[str, int, str], ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    etags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[ListedBlob]) -> "Manifest":
        files = tuple(files)
        entries = tuple(sorted((file.name, file.size, file.content) for file in files))
        errors = {file.name: file.problem for file in files if file.problem}
        return cls(entries, errors, {file.name: file.etag for file in files if file.md5})

    @classmethod
    def from_text(cls, text: str) -> "Manifest":
        return cls.from_lines(text.split("\n"))

    @classmethod
    def from_lines(cls, lines: Iterable[str | bytes]) -> "Manifest":
        """Return the manifest of these lines, which are read one after the other."""
        entries: list[tuple[str, int, str]] = []
        errors: dict[str, str] = {}
        etags: dict[str, str] = {}
        for line in lines:
            if not line:
                continue
            entry = json.loads(line)
            entries.append((entry["name"], entry["size"], entry["content"]))
            if "error" in entry:
                errors[entry["name"]] = entry["error"]
            if "etag" in entry:
                etags[entry["name"]] = entry["etag"]
        return cls(tuple(entries), errors, etags)

    @property
    def text(self) -> str:
        """Return the manifest as JSON lines in UTF-8: the same entries always give the same bytes."""
        return "".join(self._lines(ascii=False, identity=False))

    def blocks(self) -> Iterator[bytes]:
        """Yield the text in blocks of about 1 MiB. The text of 200,000 files has some 20 MB."""
        block = bytearray()
        for line in self._lines(ascii=False, identity=False):
            block += line.encode()
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        yield bytes(block)

    @cached_property
    def hash(self) -> str:
        """Return the identity of the files, which does not depend on errors and ETags.

        It is computed from the lines in ASCII, as earlier releases wrote them, so that it stays the same.
        """
        return _sha256(self._lines(ascii=True, identity=True))

    @cached_property
    def text_hash(self) -> str:
        """Return the hash of the text, which names the manifest's blob."""
        return _sha256(self._lines(ascii=False, identity=False))

    def _lines(self, *, ascii: bool, identity: bool) -> Iterator[str]:
        for name, size, content in self.entries:
            line: dict[str, str | int] = {"name": name, "size": size, "content": content}
            if not identity and (etag := self.etags.get(name)):
                line["etag"] = etag
            if not identity and (error := self.errors.get(name)):
                line["error"] = error
            yield json.dumps(line, separators=(",", ":"), ensure_ascii=ascii) + "\n"

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _ in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def changed_in(self, files: Iterable[ListedBlob]) -> list[str]:
        """Return the names of entries whose file has other content now, without deleted and new files."""
        now = {file.name: (file.size, file.content) for file in files}
        return [name for name, *content in self.entries if name in now and now[name] != tuple(content)]


def etags_digest(files: Iterable[ListedBlob]) -> str:
    """Return a hash of names and ETags. While it is the same, no file was written."""
    return _sha256(f"{name}\0{etag}\n" for name, etag in sorted((file.name, file.etag) for file in files))


def _sha256(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode())
    return digest.hexdigest()
