"""A month's files as data: the manifest, its hash, and the names and paths of what is registered. Pure."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tidegate.config import FeedStorage

BLOBSTORE = "workspaceblobstore"
_DATASTORE_PATHS = "azureml://datastores/{datastore}/paths/{path}"


@dataclass(frozen=True)
class Listed:
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
    def of(cls, files: Iterable[Listed]) -> "Manifest":
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

    def changed_in(self, files: Iterable[Listed]) -> list[str]:
        """Names of entries whose file has another content now. What is gone or new is not among them."""
        now = {file.name: (file.size, file.content) for file in files}
        return [name for name, *content in self.entries if name in now and now[name] != tuple(content)]


@dataclass(frozen=True)
class DataAsset:
    """A version of a Data asset to be registered: a folder, and what it is."""

    name: str
    version: str
    path: str
    description: str
    tags: Mapping[str, str]


def version_name(month: str, version: int) -> str:
    """The Data asset's version, and the month version's name everywhere: `202611-1`."""
    return f"{month}-{version}"


def result_name(month: str, version: int, generation: int) -> str:
    """What a generation is called everywhere: `202611-1-g1`."""
    return f"{version_name(month, version)}-g{generation}"


def result_order(name: str) -> tuple[int, int]:
    """(version, generation) of a result's name: the higher one counts."""
    found = re.fullmatch(r"\d{6}-(\d+)-g(\d+)", name)
    if not found:
        raise ValueError(f"{name} is no name of a result")
    return int(found[1]), int(found[2])


def predictions_asset(feed: str) -> str:
    return f"{feed}-predictions"


def manifest_path(feed: str, month: str, hash: str) -> str:
    """Beside the outputs; named by its content, so that a repetition writes the same blob."""
    return f"predictions/{feed}/{month}/manifests/{hash[:32]}.jsonl"


def predictions_path(feed: str, month: str, version: int, generation: int) -> str:
    """The folder in the workspace's blob store that a generation publishes into; ends with a slash."""
    return f"predictions/{feed}/{month}/{version_name(month, version)}/g{generation}/"


def drift_folder(feed: str, month: str, version: int, generation: int) -> str:
    """Where a generation leaves what it measured of drift; ends with a slash."""
    return f"{predictions_path(feed, month, version, generation)}drift/"


def drift_path(feed: str, month: str, version: int, generation: int) -> str:
    return f"{drift_folder(feed, month, version, generation)}drift.json"


def datastore_name(storage: FeedStorage) -> str:
    """The credential-less datastore that `tidegate deploy` makes for a feed's container."""
    return f"tidegate_{storage.account}_{storage.container}".replace("-", "_")


def datastore_uri(datastore: str, path: str) -> str:
    return _DATASTORE_PATHS.format(datastore=datastore, path=path)
