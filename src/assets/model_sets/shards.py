"""Shards: standard zip archives with the members of a set, one entry each."""

import hashlib
import re
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from model_sets.errors import CorruptShardError

FOLDER = "shards"
COMPRESSION = 1  # of 9: twice as fast as the usual 6, and a tenth larger
ENDINGS = {"lightgbm-text": "txt", "npz": "npz", "cloudpickle": "pkl"}
SLUG_LETTERS = 60


def entry_name(key: Sequence[str], loader: str) -> str:
    """Return the name of a member in its shard: readable, and unique whatever the key contains."""
    text = "\0".join(key)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(key))[:SLUG_LETTERS].strip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{readable or 'key'}-{digest}.{ENDINGS[loader]}"


class ShardWriter:
    """A new shard. It is complete only after `close`, and until then has another name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(
            self._partial, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION, allowZip64=True
        )

    def add(self, entry: str, content: bytes) -> str:
        """Write a member, and return the SHA-256 of its content."""
        info = zipfile.ZipInfo(entry)  # with a fixed time, so that the same members give the same shard
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        self._zip.writestr(info, content, compresslevel=COMPRESSION)
        return hashlib.sha256(content).hexdigest()

    def close(self) -> Path:
        self._zip.close()
        return self._partial.replace(self._path)


class ShardReader:
    """An open shard. Its directory is read once, and each member when it is needed. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._name = f"{FOLDER}/{path.name}"
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            raise CorruptShardError(f"shard {self._name} is missing") from error
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise CorruptShardError(f"shard {self._name} is truncated or damaged: {error}") from error

    def read(self, entry: str, sha256: str) -> bytes:
        """Return the content of an entry. Raise CorruptShardError if it does not match its hash."""
        where = f"entry {entry} of shard {self._name}"
        try:
            with self._lock:
                content = self._zip.read(entry)
        except KeyError as error:
            raise CorruptShardError(f"{where} is missing") from error
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise CorruptShardError(f"{where} is damaged: {error}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptShardError(f"{where} does not match its hash in the index")
        return content

    def close(self) -> None:
        self._zip.close()
