"""The ids of runs in MLflow's database, where each id is there once. In Azure each workspace has its own."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# The names of MLflow's requests and answers whose values are ids of runs.
_NAMES = frozenset({"run_id", "run_uuid", "run_ids", "source_run_id", "sourceRunId"})
_QUOTED = re.compile(r"(['\"])([^'\"]+)\1")
_FILTERS_IDS = re.compile(r"\brun_(id|uuid)\b", re.IGNORECASE)


def id_inside(workspace: str, run_id: str) -> str:
    """Return the id that a run has inside if a run of another workspace has its own id already."""
    return hashlib.sha256(f"{workspace}/{run_id}".encode()).hexdigest()[:32]


def translated(value: Any, ids: Mapping[str, str], name: str = "") -> Any:
    """Return a JSON value with other ids of runs. `ids` maps the ids in it to the others."""
    if isinstance(value, dict):
        return {key: translated(item, ids, key) for key, item in value.items()}
    if isinstance(value, list):
        return [translated(item, ids, name) for item in value]
    if isinstance(value, str):
        if name in _NAMES:
            return ids.get(value, value)
        if name == "filter" and _FILTERS_IDS.search(value):
            return _QUOTED.sub(lambda match: match[1] + ids.get(match[2], match[2]) + match[1], value)
    return value


def translated_body(content: bytes, ids: Mapping[str, str]) -> bytes:
    """Return a JSON body with other ids of runs. Content that is not JSON stays as it is."""
    if not ids or not content:
        return content
    try:
        body = json.loads(content)
    except ValueError:
        return content
    return json.dumps(translated(body, ids)).encode()
