"""References between resources: find them in a request body, and check that their targets exist."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tidepool.azureml.curated import curated_version
from tidepool.azureml.ids import Reference, read_reference
from tidepool.azureml.locations import job_output_uri
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.store import Document, Store

# Keys with free text. An id in free text is not a reference.
_FREE_TEXT = frozenset(
    {"description", "tags", "displayname", "display_name", "properties", "command", "environmentvariables"}
)
# Keys whose value can name a compute, and values, such as `serverless`, that do not name a cluster of the
# workspace.
_COMPUTE_KEYS = frozenset({"compute", "computeid", "default_compute", "defaultcompute"})
_NO_CLUSTER = frozenset({"", "local", "serverless", "none"})

_RUN_FOLDER = re.compile(r"ExperimentRun/dcid\.([^/]+)/")

NOUNS = {
    "data": "data version",
    "models": "model version",
    "environments": "environment version",
    "components": "component version",
    "codes": "code version",
    "computes": "compute",
    "datastores": "datastore",
    "jobs": "job",
    "onlineendpoints": "online endpoint",
    "batchendpoints": "batch endpoint",
}
# Labels that mean the newest version. The SDK sends `default` for a component without a version.
_LABELS = frozenset({"latest", "default"})
VERSIONED = frozenset({"data", "models", "environments", "components", "codes"})


class References:
    """The references in request bodies. `root` is the workspace or registry that a request is about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, root: str, body: Any) -> None:
        """Check all references in a body.

        Raise UserError for the first that names a resource that does not exist or is in another workspace.
        """
        for text in _strings(body):
            reference = read_reference(self._store, root, text)
            if reference is not None:
                self._check(root, reference)
        for name in _computes(body):
            if self._store.get(f"{root}/computes/{name}") is None:
                raise missing("compute", name, root=root)

    def resolve(self, reference: Reference) -> Document | None:
        """Return the resource that a reference names, or None if it does not exist.

        A label means the newest version that is not archived.
        """
        if reference.kind == "jobs":  # a step of a pipeline is only in run history
            return self._store.get(f"{reference.root}/jobs/{reference.name}") or self._store.get(
                f"/history{reference.root}/runs/{reference.name}"
            )
        if reference.kind not in VERSIONED:
            return self._store.get(f"{reference.root}/{reference.kind}/{reference.name}")
        container = f"{reference.root}/{reference.kind}/{reference.name}"
        if reference.label:
            if reference.label not in _LABELS:
                return None
            documents = (document for _, document in self._store.children(f"{container}/versions"))
            active = [document for document in documents if not document["properties"]["isArchived"]]
            return active[-1] if active else curated_version(container, "")
        if not reference.version:
            return None
        stored = self._store.get(f"{container}/versions/{reference.version}")
        return stored or curated_version(container, reference.version)

    def read(self, root: str, text: str) -> Reference | None:
        return read_reference(self._store, root, text)

    def long_uri(self, root: str, uri: str) -> str:
        """Return a datastore path, or a path into a run, in the long form in which Azure ML stores paths."""
        reference = read_reference(self._store, root, uri)
        if reference is not None and reference.kind == "jobs":
            reference = read_reference(self._store, root, job_output_uri(self._store, reference))
        if reference is not None and reference.kind == "artifacts":
            reference = replace(reference, kind="datastores", name="workspaceartifactstore")
        if reference is None or reference.kind != "datastores" or "/workspaces/" not in reference.root:
            return uri
        _, _, subscription, _, group, *_ = root.split("/")
        workspace = reference.root.rpartition("/")[2]
        return (
            f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}"
            f"/datastores/{reference.name}/paths/{reference.path}"
        )

    def run_of(self, root: str, uri: str) -> str | None:
        """Return the id of the run that a path into a job's outputs or artifacts names, or None."""
        reference = read_reference(self._store, root, uri)
        if reference is not None and reference.kind == "jobs":
            return reference.name
        match = _RUN_FOLDER.match(reference.path) if reference is not None else None
        return match[1] if match else None

    def _check(self, root: str, reference: Reference) -> None:
        noun = NOUNS.get(reference.kind)
        if noun is None or (reference.kind == "computes" and reference.name.lower() in _NO_CLUSTER):
            return
        if (
            "/workspaces/" in reference.root
            and reference.root.lower() != root.lower()
            and "/registries/" not in root
        ):
            raise UserError(
                400,
                f"The {noun} '{reference.name}' is in workspace '{reference.root.rpartition('/')[2]}'; "
                f"a resource of workspace '{root.rpartition('/')[2]}' cannot use it. "
                "Register it in this workspace, or share it through a registry.",
                "BadArgument",
                "CrossWorkspaceReference",
            )
        if self.resolve(reference) is None:
            raise missing(noun, reference.name, reference.version or reference.label, root=reference.root)


def _strings(value: Any) -> Iterator[str]:
    """Yield each string in a body that may be a reference. Expressions and free text are left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.lower() not in _FREE_TEXT:
                yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str) and "${{" not in value:
        yield value


def _computes(value: Any) -> Iterator[str]:
    """Yield the computes that a body refers to by a name, not by an id."""
    if isinstance(value, dict):
        for key, item in value.items():
            if (
                key.lower() in _COMPUTE_KEYS
                and isinstance(item, str)
                and "/" not in item
                and "${{" not in item
            ):
                name = item.removeprefix("azureml:")
                if name.lower() not in _NO_CLUSTER:
                    yield name
            elif key.lower() not in _FREE_TEXT:
                yield from _computes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _computes(item)
