"""The manifest, as the parallel step reads it, which cannot include a module of another pipeline."""

import json
from pathlib import Path

NOT_LISTED = "not in the manifest"


def read_listed(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names in a manifest of JSON lines, and the errors of those files that cannot be read."""
    with path.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines if line.strip()]
    errors = {entry["name"]: entry["error"] for entry in entries if entry.get("error")}
    return [entry["name"] for entry in entries], errors
