"""Registers what jobs name: environments, components, datastores. Versions are numbers, content is a tag.

A version of the same content is never made twice, so that deploying again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.errors import NotFoundError

CONTENT_TAG = "tidegate_content"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version that is there now, and whether it was made just now."""

    name: str
    version: str
    made: bool


@dataclass(frozen=True)
class Cluster:
    """An AmlCompute, as its YAML has it."""

    name: str
    size: str
    low_priority: bool
    max_instances: int


class Registrar:
    def __init__(self, client: LazyMLClient) -> None:
        self._client = client

    def environment(self, file: Path, content: str) -> RegisteredVersion:
        """Register an environment from its YAML unless its newest version has this content."""
        from azure.ai.ml import load_environment

        with ml_errors(f"register environment {file.stem}"):
            return _register(self._client.ml.environments, load_environment(file), content)

    def component(self, file: Path, content: str) -> RegisteredVersion:
        """The same for a component with its code and, for a pipeline, those of its steps."""
        from azure.ai.ml import load_component

        with ml_errors(f"register component {file.parent.name}"):
            return _register(self._client.ml.components, load_component(file), content)

    def newest_content(self, name: str) -> str | None:
        """The content that a component's newest version was registered with. NotFoundError."""
        with ml_errors(f"find component {name}"):
            return _content(self._client.ml.components.get(name, label="latest").tags)

    def datastore(self, name: str, account: str, container: str) -> bool:
        """Make a datastore without credentials, or correct it; says whether anything had to be done."""
        from azure.ai.ml.entities import AzureBlobDatastore

        found = self.find_datastore(name)
        if found and (found.account_name, found.container_name) == (account, container):
            return False
        wanted = AzureBlobDatastore(
            name=name,
            account_name=account,
            container_name=container,
            description="A feed of Tidegate; opened with the identity of whoever reads.",
        )
        with ml_errors(f"make datastore {name}"):
            self._client.ml.datastores.create_or_update(wanted)
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
    """PermanentError where the SDK refuses the YAML."""
    from azure.ai.ml import load_compute

    with ml_errors(f"read {file.name}"):
        found = load_compute(file)
    return Cluster(
        name=str(found.name),
        size=str(found.size),
        low_priority="low" in str(found.tier).lower(),
        max_instances=int(found.max_instances),
    )


def _register(operations: Any, entity: Any, content: str) -> RegisteredVersion:
    versions = [found for found in operations.list(name=entity.name) if found.version]
    numbers = {int(found.version): found for found in versions if found.version.isdecimal()}
    newest = numbers.get(max(numbers, default=0))
    if newest is not None and _content(newest.tags) == content:
        return RegisteredVersion(entity.name, newest.version, made=False)
    entity.version = str(max(numbers, default=0) + 1)
    entity.tags = {**(entity.tags or {}), CONTENT_TAG: content}
    return RegisteredVersion(entity.name, str(operations.create_or_update(entity).version), made=True)


def _content(tags: Mapping[str, str] | None) -> str | None:
    return (tags or {}).get(CONTENT_TAG)
