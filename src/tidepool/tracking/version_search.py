"""The filter of `model-versions/search`: names, runs and tags that a model version must have.

MLflow's grammar has more. What is not here is refused with 501, which names what the caller wrote.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidepool.errors import AzureError

_CLAUSE = re.compile(
    r"\s*(?:(?P<attribute>name|run_id)|tags?\.(?:`(?P<quoted>[^`]+)`|(?P<plain>[\w.-]+)))"
    r"""\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\s*"""
)
_AND = re.compile(r"and\b", re.IGNORECASE)


@dataclass(frozen=True)
class VersionFilter:
    """What a model version must have. None stands for any name or run."""

    name: str | None = None
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def matches(self, version: Mapping[str, Any]) -> bool:
        """Return whether a model version, as MLflow shows it, has all that is asked for."""
        has = {tag["key"]: tag["value"] for tag in version["tags"]}
        return (
            self.name in (None, version["name"])
            and self.run_id in (None, version["run_id"])
            and all(has.get(key) == value for key, value in self.tags.items())
        )


def parse(text: str) -> VersionFilter:
    """Read a filter such as `name = 'm' and tags.store = '012'`. Raise AzureError if it is another one."""
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    position = 0
    while text.strip():
        clause = _CLAUSE.match(text, position)
        if clause is None:
            message = (
                f"Tidepool searches model versions by name, run_id and tags with =, joined by and, not {text}"
            )
            raise AzureError(501, "NotEmulated", message)
        value = clause["single"] if clause["single"] is not None else clause["double"]
        key = clause["quoted"] or clause["plain"]
        known = attributes if clause["attribute"] else tags
        if known.setdefault(clause["attribute"] or key, value) != value:
            raise AzureError(501, "NotEmulated", f"Tidepool asks for one value of each key, not for {text}")
        if clause.end() == len(text):
            break
        joined = _AND.match(text, clause.end())
        if joined is None:
            raise AzureError(501, "NotEmulated", f"Tidepool joins conditions by and, not as in {text}")
        position = joined.end()
    return VersionFilter(attributes.get("name"), attributes.get("run_id"), tags)
