"""What the MLmodel file of a model set says about the set, and the tags that say it in Azure ML."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METADATA = "tidegate_set"
SET_TAG = "tidegate_set"
INDEX_TAG = "set_index"
ASSEMBLED_TAG = "tidegate_assembled_from"  # the version whose evaluation assembled this one
MEMBER_TAGS = frozenset({"set", "set_version"})  # of a member that is registered as a model of its own
_MOST_TEXT = 1000  # of a tag


@dataclass(frozen=True)
class SetFacts:
    """The key columns of a set, the hashes of its index, and how many keys are in which state.

    `lookup_sha256` is the hash of index.sqlite, in which the service looks up keys.
    """

    keys: tuple[str, ...]
    index_sha256: str
    lookup_sha256: str
    members: int
    states: Mapping[str, int]

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the model version."""
        return {
            SET_TAG: "1",
            "set_keys": ",".join(self.keys)[:_MOST_TEXT],
            "set_members": str(self.members),
            "set_failed": str(self.states.get("failed", 0)),
            INDEX_TAG: self.index_sha256,
        }


def read_facts(mlmodel: Mapping[str, Any]) -> SetFacts | None:
    """Return the facts in an MLmodel file, or None if it is not that of a model set.

    Raise ValueError if it is that of a set, and lacks something.
    """
    metadata = mlmodel.get("metadata")
    facts = metadata.get(METADATA) if isinstance(metadata, dict) else None
    if facts is None:
        return None
    try:
        return SetFacts(
            keys=tuple(str(key) for key in facts["keys"]),
            index_sha256=str(facts["index_sha256"]),
            lookup_sha256=str(facts["sqlite_sha256"]),
            members=int(facts["members"]),
            states={str(state): int(count) for state, count in facts["states"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"its metadata {METADATA} cannot be read: {error!r}") from error
