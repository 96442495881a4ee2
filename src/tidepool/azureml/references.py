"""References between resources: finds each one in a body, and refuses those that lead nowhere."""

from collections.abc import Iterator
from typing import Any

from tidepool.azureml.ids import Reference, read_reference
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.store import Document, Store

# What a person wrote, where an id would only be mentioned.
_PROSE = frozenset(
    {"description", "tags", "displayname", "display_name", "properties", "command", "environmentvariables"}
)
# Keys whose value may be the bare name of a compute, and the names that are no cluster of the workspace.
_COMPUTE_KEYS = frozenset({"compute", "computeid", "default_compute", "defaultcompute"})
_NO_CLUSTER = frozenset({"", "local", "serverless", "none"})

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
VERSIONED = frozenset({"data", "models", "environments", "components", "codes"})


class References:
    """What is referred to, seen from one workspace or registry."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, root: str, body: Any) -> None:
        """Refuse the first reference in a body that names something which is not there, or not in `root`."""
        for text in _strings(body):
            reference = read_reference(self._store, root, text)
            if reference is not None:
                self._check(root, reference)
        for name in _computes(body):
            if self._store.get(f"{root}/computes/{name}") is None:
                raise missing("compute", name, root=root)

    def resolve(self, reference: Reference) -> Document | None:
        """The resource that a reference names; a label (`latest`) is the version created last."""
        if reference.kind not in VERSIONED:
            return self._store.get(f"{reference.root}/{reference.kind}/{reference.name}")
        versions = f"{reference.root}/{reference.kind}/{reference.name}/versions"
        if reference.label:
            found = [document for _, document in self._store.children(versions)]
            live = [document for document in found if not document["properties"]["isArchived"]]
            return live[-1] if live else None
        return self._store.get(f"{versions}/{reference.version}")

    def read(self, root: str, text: str) -> Reference | None:
        return read_reference(self._store, root, text)

    def long_uri(self, root: str, uri: str) -> str:
        """A datastore's path in the long form, in which Azure ML keeps it."""
        reference = read_reference(self._store, root, uri)
        if reference is None or reference.kind != "datastores" or "/workspaces/" not in reference.root:
            return uri
        _, _, subscription, _, group, *_ = root.split("/")
        workspace = reference.root.rpartition("/")[2]
        return (
            f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}"
            f"/datastores/{reference.name}/paths/{reference.path}"
        )

    def _check(self, root: str, reference: Reference) -> None:
        noun = NOUNS.get(reference.kind)
        if noun is None:
            return
        if (
            "/workspaces/" in reference.root
            and reference.root.lower() != root.lower()
            and "/registries/" not in root
        ):
            raise UserError(
                400,
                f"The {noun} '{reference.name}' is in workspace '{reference.root.rpartition('/')[2]}'; "
                f"a resource of workspace '{root.rpartition('/')[2]}' cannot use it.",
                "BadArgument",
                "CrossWorkspaceReference",
            )
        if self.resolve(reference) is None:
            raise missing(noun, reference.name, reference.version or reference.label, root=reference.root)


def _strings(value: Any) -> Iterator[str]:
    """Every string in a body that may be a reference; expressions and prose are left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.lower() not in _PROSE:
                yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str) and "${{" not in value:
        yield value


def _computes(value: Any) -> Iterator[str]:
    """The names of computes that stand in a body without an id around them."""
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
            elif key.lower() not in _PROSE:
                yield from _computes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _computes(item)
