"""Model sets that a test makes by hand: MLmodel and the index, without members."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

KEYS = ("store", "product")
_METRICS = ("mae", "rmse", "mape", "wape")
_TEXTS = ("shard", "entry", "loader", "sha256", "state", "fallback", "trained_in", "trained_until")
SET_POLICY: dict[str, Any] = {
    "evaluate": {"pipeline": "quick_set_evaluation", "data": "newest", "compute": "cpu"},
    "gate": {"min_n": 1, "metrics": {"wape": {"max": 0.5, "higher_is_better": False}}},
    "set": {
        "keys": list(KEYS),
        "feed": "stories",
        "target": "units",
        "time": "date",
        "horizon": 7,
        "pipeline": "quick_set_training",
    },
}


def write_set_folder(folder: Path, rows: Sequence[Mapping[str, Any]], **metadata: Any) -> Path:
    """Write a set with these index rows, each with at least the key columns, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [*KEYS, *_TEXTS, "rows", *_METRICS, *(f"champion_{metric}" for metric in _METRICS), "reason"]
    lookup = folder / "index.sqlite"
    lookup.unlink(missing_ok=True)
    with sqlite3.connect(lookup) as connection:
        named = ", ".join(f'"{column}"' for column in columns)
        connection.execute(f"CREATE TABLE members ({named}, PRIMARY KEY ({', '.join(KEYS)})) WITHOUT ROWID")
        cells = [[{"state": "candidate", **row}.get(column) for column in columns] for row in rows]
        connection.executemany(f"INSERT INTO members VALUES ({', '.join('?' * len(columns))})", cells)
    connection.close()
    (folder / "index.parquet").write_bytes(repr(cells).encode())
    states = [row.get("state", "candidate") for row in rows]
    facts = {
        "format": 1,
        "keys": list(KEYS),
        "index_sha256": hashlib.sha256((folder / "index.parquet").read_bytes()).hexdigest(),
        "sqlite_sha256": hashlib.sha256(lookup.read_bytes()).hexdigest(),
        "members": len(rows),
        "states": {state: states.count(state) for state in sorted(set(states))},
        **metadata,
    }
    mlmodel = {
        "flavors": {"python_function": {"loader_module": "model_sets.loader"}},
        "metadata": {"tidegate_model": "model-set", "tidegate_set": facts},
    }
    YAML().dump(mlmodel, folder / "MLmodel")
    return folder
