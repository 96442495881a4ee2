"""Files that were written again and have the same size and MD5 as before.

An MD5 alone cannot prove that the content is the same: clients that write in blocks set it themselves, and
some keep the old one. So such files are read once. Their number and size are limited, and beyond the limits
each counts as changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tidegate.domain.partitions.manifest import ListedBlob, Manifest

MOST_FILES = 100
MOST_BYTES = 64 * 1024 * 1024


def rewritten_files(manifest: Manifest, files: Iterable[ListedBlob]) -> list[ListedBlob]:
    """Return the files that have another ETag than in the manifest, and the same size and content.

    If an earlier release wrote the manifest, it has no ETags, and this returns no file.
    """
    known = {name: (size, content) for name, size, content in manifest.entries}
    return [
        file
        for file in files
        if file.md5
        and manifest.etags.get(file.name, file.etag) != file.etag
        and known[file.name] == (file.size, file.content)
    ]


def can_be_read(files: Iterable[ListedBlob]) -> bool:
    """Return whether these files are few and small enough to be read now, and none is archived."""
    files = tuple(files)
    few = len(files) <= MOST_FILES and sum(file.size for file in files) <= MOST_BYTES
    return few and not any(file.archived for file in files)


def with_contents(
    manifest: Manifest, files: Iterable[ListedBlob], contents: Mapping[str, str]
) -> tuple[ListedBlob, ...]:
    """Return the files with what is known of their contents.

    `contents` has the identity of each rewritten file. The content of a file that was not written since the
    manifest is the one in the manifest, whatever its MD5 is.
    """
    known = {name: content for name, _, content in manifest.entries}
    unwritten = {name: known[name] for name, etag in manifest.etags.items()}
    return tuple(
        replace(file, looked=contents[file.name])
        if file.name in contents
        else replace(file, looked=unwritten[file.name])
        if manifest.etags.get(file.name) == file.etag and unwritten[file.name] != file.content
        else file
        for file in files
    )


def written_since(files: Iterable[ListedBlob], time: datetime) -> list[ListedBlob]:
    """Return the files that were written after a time."""
    return [file for file in files if file.modified > time]


def by_etag(files: Iterable[ListedBlob]) -> dict[str, str]:
    """Return an identity for each file that no other content has: it counts as changed."""
    return {file.name: f"etag:{file.etag}" for file in files}
