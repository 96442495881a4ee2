"""The members of a set as models of their own: their names, their tags, and where their file is."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model_sets.format import ModelSet
from model_sets.index import METRICS, IndexRow

SHARDS = "shards"
LONGEST_VALUE = 1000  # of a tag
LONGEST_MODEL, LONGEST_KEY, HASH = 100, 100, 8


@dataclass(frozen=True)
class SetVersion:
    """A registered version of a set, and the URI of its folder."""

    name: str
    version: str
    uri: str


@dataclass(frozen=True)
class MemberModel:
    """A member as a model version, as Azure Resource Manager takes it."""

    name: str
    version: str
    body: dict[str, Any]


def member_models(members: ModelSet, version: SetVersion) -> Iterator[MemberModel]:
    """Yield the model of each key that has a member, in the order of the index."""
    for row in members.rows():
        if row.shard is not None and row.entry is not None:
            yield member_model(dict(zip(members.info.keys, row.key, strict=True)), row, version)


def member_name(model: str, key: dict[str, str]) -> str:
    """Return the name of a member's model, which is derived from its key: `sales-12-7-1f0c9a2b`.

    The hash keeps keys apart that differ only in characters that Azure does not allow.
    """
    digest = hashlib.sha256(json.dumps(list(key.items())).encode()).hexdigest()[:HASH]
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(key.values()))[:LONGEST_KEY].strip("-.")
    return "-".join(part for part in (model[:LONGEST_MODEL], kept, digest) if part)


def member_model(key: dict[str, str], row: IndexRow, version: SetVersion) -> MemberModel:
    """Return the model of a member.

    Its file is the archive of the set that has the member, so nothing is copied. Its tags have the set, the
    key, the state and the metrics.
    """
    values = {name: getattr(row, name) for name in METRICS}
    metrics = {name: f"{value:.6g}" for name, value in values.items() if value is not None}
    tags = {
        **metrics,
        "state": row.state,
        "entry": str(row.entry),
        **key,
        "set": version.name,
        "set_version": version.version,
    }
    properties = {
        "modelUri": f"{version.uri.rstrip('/')}/{SHARDS}/{row.shard}",
        "modelType": "custom_model",
        "description": f"A member of the set {version.name}:{version.version}",
        "tags": {name: text[:LONGEST_VALUE] for name, text in tags.items()},
    }
    return MemberModel(member_name(version.name, key), version.version, {"properties": properties})
