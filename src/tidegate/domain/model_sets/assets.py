"""The members of a set as models of their own, which `register: each` asks for: their names and tags."""

import hashlib
import json
import re

from tidegate.domain.lifecycle.lineage import LONGEST_VALUE, RegisteredModel
from tidegate.domain.model_sets.members import Member

_SHARDS = "shards"
_LONGEST_MODEL, _LONGEST_KEY, _HASH = 100, 100, 8


def member_name(model: str, member: Member) -> str:
    """Return the name of a member's model, which is derived from its key: `sales-12-7-1f0c9a2b`.

    The hash keeps keys apart that differ only in characters that Azure does not allow.
    """
    digest = hashlib.sha256(json.dumps(list(member.key.items())).encode()).hexdigest()[:_HASH]
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(member.key.values()))[:_LONGEST_KEY].strip("-.")
    return "-".join(part for part in (model[:_LONGEST_MODEL], kept, digest) if part)


def member_asset(set_version: RegisteredModel, member: Member) -> RegisteredModel | None:
    """Return the model of a member, or None if the key has no member.

    Its file is the archive of the set that has the member, so nothing is copied. Its tags have the set, the
    key, the state and the metrics.
    """
    if member.shard is None or member.entry is None:
        return None
    metrics = {name: f"{value:.6g}" for name, value in member.metrics.items() if value is not None}
    tags = {
        **metrics,
        "state": member.state,
        "entry": member.entry,
        **member.key,
        "set": set_version.name,
        "set_version": set_version.version,
    }
    return RegisteredModel(
        name=member_name(set_version.name, member),
        version=set_version.version,
        uri=f"{set_version.uri.rstrip('/')}/{_SHARDS}/{member.shard}",
        type="custom_model",
        description=f"A member of the set {set_version.name}:{set_version.version}",
        tags={name: text[:LONGEST_VALUE] for name, text in tags.items()},
    )
