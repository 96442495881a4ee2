"""The history of a model set: the newest partitions that are complete, in one manifest over all of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Partition, PartitionVersion

PastVersion = tuple[Partition, PartitionVersion]


@dataclass(frozen=True)
class History:
    """Data asset versions, oldest first (`sales:202611-1`), and the path of the manifest over them."""

    names: tuple[str, ...]
    path: str

    @property
    def label(self) -> str:
        """The name of the history as a whole: `sales:202606-1..202611-1`."""
        first, last = self.names[0], self.names[-1]
        return first if first == last else f"{first}..{last.partition(':')[2]}"


def complete_versions(partitions: Iterable[Partition], most: int | None = None) -> list[PastVersion]:
    """Return the latest registered version of the newest partitions that have one, oldest first."""
    known = sorted(partitions, key=lambda partition: partition.partition)
    versions = [
        (partition, version)
        for partition in known
        if (version := next((v for v in reversed(partition.versions) if v.registered), None))
    ]
    return versions[-most:] if most else versions


def asset_name(past: PastVersion) -> str:
    """Return the Data asset version of a partition version: `sales:202611-1`."""
    partition, version = past
    return f"{partition.feed}:{version_name(partition.partition, version.number)}"


def newest_result(partitions: Iterable[Partition], until: str) -> Partition | None:
    """Return the newest partition with a result that is not later than `until`, or None."""
    scored = [partition for partition in partitions if partition.result and partition.partition <= until]
    return max(scored, key=lambda partition: partition.partition, default=None)


def history_lines(manifest: bytes, folder: str, partition: str) -> Iterator[bytes]:
    """Yield the lines of a partition's manifest with names from the container's root."""
    for line in manifest.splitlines():
        if line.strip():
            entry = json.loads(line)
            whole = {"name": folder + entry.pop("name"), "partition": partition, **entry}
            yield json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def history_path(model: str, lines: Sequence[bytes]) -> str:
    """Return the path of a manifest, which is named by its content: a repetition writes the same blob."""
    digest = hashlib.sha256(b"".join(lines)).hexdigest()[:32]
    return f"sets/{model}/manifests/{digest}.jsonl"
