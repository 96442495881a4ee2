"""The registration of what jobs use: environments, components and datastores.

Versions are numbers. A tag holds the hash of the content, and a new version is registered only if the content
changed, so that deploying again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.errors import NotFoundError, PermanentError

CONTENT_TAG = "tidegate_content"
MOST_NODES = 100  # of a cluster and of a parallel step: azure/machine-learning/how-to-manage-quotas


@dataclass(frozen=True)
class RegisteredVersion:
    """The current version of an environment or component, and whether it was registered just now."""

    name: str
    version: str
    made: bool


@dataclass(frozen=True)
class Cluster:
    """A compute cluster, as its YAML file describes it."""

    name: str
    size: str
    low_priority: bool
    max_instances: int


class Registrar:
    """A client that registers environments, components and datastores in one workspace."""

    def __init__(self, client: LazyMLClient) -> None:
        self._client = client

    def environment(self, file: Path, content: str) -> RegisteredVersion:
        """Register an environment from its YAML file unless its newest version has this content."""
        from azure.ai.ml import load_environment

        with ml_errors(f"register environment {file.stem}"):
            return _register(self._client.ml.environments, load_environment(file), content)

    def component(self, file: Path, content: str) -> RegisteredVersion:
        """Register a component with its code unless its newest version has this content.

        A pipeline component is registered together with the components of its steps. Raise PermanentError if
        a step takes more nodes than Azure allows.
        """
        from azure.ai.ml import load_component

        with ml_errors(f"register component {file.parent.name}"):
            component = load_component(file)
            for name, step in (getattr(component, "jobs", None) or {"": component}).items():
                _check_nodes(f"step {name} of {file}" if name else str(file), _instances(step))
            return _register(self._client.ml.components, component, content)

    def newest_content(self, name: str) -> str | None:
        """Return the content hash that a component's newest version was registered with.

        Raise NotFoundError if the workspace has no such component.
        """
        with ml_errors(f"find component {name}"):
            return _content(self._client.ml.components.get(name, label="latest").tags)

    def datastore(self, name: str, account: str, container: str) -> bool:
        """Create a datastore without credentials, or correct its account and container.

        Return whether anything had to be changed.
        """
        from azure.ai.ml.entities import AzureBlobDatastore

        current = self.find_datastore(name)
        if current and (current.account_name, current.container_name) == (account, container):
            return False
        datastore = AzureBlobDatastore(
            name=name,
            account_name=account,
            container_name=container,
            description="A feed of Tidegate. It is read with the identity of the reader.",
        )
        with ml_errors(f"create datastore {name}"):
            self._client.ml.datastores.create_or_update(datastore)
        return True

    def find_datastore(self, name: str) -> Any | None:
        try:
            with ml_errors(f"find datastore {name}"):
                return self._client.ml.datastores.get(name)
        except NotFoundError:
            return None

    def has_compute(self, name: str) -> bool:
        try:
            with ml_errors(f"find compute {name}"):
                self._client.ml.compute.get(name)
        except NotFoundError:
            return False
        return True


def read_cluster(file: Path) -> Cluster:
    """Read the YAML file of a cluster.

    Raise PermanentError if the SDK refuses it, or if it has more nodes than Azure allows.
    """
    from azure.ai.ml import load_compute

    with ml_errors(f"read {file.name}"):
        compute = load_compute(file)
    _check_nodes(str(file), int(compute.max_instances))
    return Cluster(
        name=str(compute.name),
        size=str(compute.size),
        low_priority="low" in str(compute.tier).lower(),
        max_instances=int(compute.max_instances),
    )


def _instances(step: Any) -> int:
    """Return the number of nodes of a step, which its own resources or those of its component say."""
    for part in (step, getattr(step, "component", None)):
        count = getattr(getattr(part, "resources", None), "instance_count", None)
        if count:
            return int(count)
    return 1


def _check_nodes(where: str, nodes: int) -> None:
    if nodes > MOST_NODES:
        raise PermanentError(f"{where} asks for {nodes} nodes, and Azure allows at most {MOST_NODES}")


def _register(operations: Any, entity: Any, content: str) -> RegisteredVersion:
    versions = [listed for listed in operations.list(name=entity.name) if listed.version]
    numbers = {int(listed.version): listed for listed in versions if listed.version.isdecimal()}
    newest = numbers.get(max(numbers, default=0))
    if newest is not None and _content(newest.tags) == content:
        return RegisteredVersion(entity.name, newest.version, made=False)
    entity.version = str(max(numbers, default=0) + 1)
    entity.tags = {**(entity.tags or {}), CONTENT_TAG: content}
    return RegisteredVersion(entity.name, str(operations.create_or_update(entity).version), made=True)


def _content(tags: Mapping[str, str] | None) -> str | None:
    return (tags or {}).get(CONTENT_TAG)
