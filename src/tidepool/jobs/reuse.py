"""Reuse of completed steps: a deterministic step runs only once on the same inputs."""

import hashlib
import json
from collections.abc import Mapping

from tidepool.jobs.graph import Step, Value
from tidepool.store import Document, Store

# The parts of a component and its node that affect the result. Names and descriptions do not affect it.
_DECISIVE = (
    "code",
    "command",
    "distribution",
    "environment",
    "error_threshold",
    "input_data",
    "mini_batch_error_threshold",
    "mini_batch_size",
    "partition_keys",
    "resources",
    "task",
    "type",
)


def fingerprint(step: Step, inputs: Mapping[str, Value]) -> str:
    """Return a hash that is equal for steps that Azure ML regards as the same.

    It covers where the input data is, not what the data contains.
    """
    decisive = {
        "spec": {key: step.spec.get(key) for key in _DECISIVE},
        "variables": step.environment_variables,
        "inputs": {name: [value.type, value.text] for name, value in inputs.items()},
        "outputs": {
            name: [output.type, output.uri, output.asset_name, output.asset_version]
            for name, output in step.outputs.items()
        },
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


class Reuse:
    """The newest completed run of each fingerprint, with the URIs of its outputs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, workspace_id: str, key: str) -> Document | None:
        """Return the run to reuse, or None if there is none.

        It has the form `{"runId": ..., "rootRunId": ..., "outputs": {name: {"uri", "type"}}}`.
        """
        return self._store.get(f"/reuse{workspace_id}/{key}")

    def remember(self, workspace_id: str, key: str, run: Document) -> None:
        self._store.put(f"/reuse{workspace_id}/{key}", run)
