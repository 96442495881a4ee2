"""The registered models of a workspace or a registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.connection import client_options
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.lifecycle.lineage import RegisteredModel
from tidegate.domain.lifecycle.versions_in_use import VersionState
from tidegate.errors import NotFoundError

_API = "2024-04-01"


@dataclass(frozen=True)
class ListedModel:
    """A model version, as lists of versions show it."""

    version: str
    created_at: datetime
    tags: Mapping[str, str]


class ModelClient:
    """A client for the models of one workspace, and of the registries with which it shares models."""

    def __init__(self, client: LazyMLClient, arm: ArmClient) -> None:
        self._client = client
        self._arm = arm
        self._registry = cache(self._open_registry)

    def newest(self, name: str, most: int) -> list[ListedModel]:
        """Return at most `most` versions that were registered last, without archived ones.

        This method calls ARM because the SDK can only list all versions.
        """
        path = f"{self._client.workspace.arm_id}/models/{name}/versions"
        query = {"$orderBy": "createdtime desc", "$top": str(most)}
        return [_listed(version) for version in self._arm.get(path, _API, **query)["value"]]

    def is_archived(self, name: str) -> bool:
        """Return whether the model as a whole is archived, with all its versions."""
        try:
            return _is_archived(self._arm.get(f"{self._client.workspace.arm_id}/models/{name}", _API))
        except NotFoundError:
            return False

    def state(self, name: str, version: str, *, as_archived: bool = False) -> VersionState:
        """Return whether a version is active, archived or deleted.

        With `as_archived`, the model as a whole is archived, and so each version that exists is. Raise
        NotFoundError if the workspace does not exist.
        """
        try:
            path = f"{self._client.workspace.arm_id}/models/{name}/versions/{version}"
            return "archived" if _is_archived(self._arm.get(path, _API)) or as_archived else "active"
        except NotFoundError:
            self._arm.get(self._client.workspace.arm_id, _API)  # the workspace itself may be missing
            return "deleted"

    def restore(self, name: str, version: str) -> None:
        """Restore an archived version, and the model as a whole if that is archived."""
        with ml_errors(f"restore model {name}:{version}"):
            models = self._client.ml.models
            if self.is_archived(name):
                models.restore(name)
            models.restore(name, version)

    def find(self, name: str, version: str, *, registry: str | None = None) -> RegisteredModel | None:
        """Return a model version, or None if it does not exist."""
        try:
            with ml_errors(f"find model {name}:{version}"):
                return _read(self._operations(registry).get(name, version))
        except NotFoundError:
            return None

    def register(self, model: RegisteredModel, *, registry: str | None = None) -> None:
        """Register a version. If it exists with the same files, set its tags and description."""
        from azure.ai.ml.entities import Model

        entity = Model(
            name=model.name,
            version=model.version,
            path=model.uri,
            type=model.type,
            description=model.description,
            tags=dict(model.tags),
            properties=dict(model.properties),
            flavors=dict(model.flavors),
        )
        with ml_errors(f"register model {model.name}:{model.version}"):
            self._operations(registry).create_or_update(entity)

    def registry_id(self, name: str) -> str:
        """Return the ARM id of a registry.

        Raise NotFoundError or PermanentError if it does not exist or the service may not read it.
        """
        with ml_errors(f"find registry {name}"):
            client = self._registry(name)
            group = f"/subscriptions/{client.subscription_id}/resourceGroups/{client.resource_group_name}"
            return f"{group}/providers/Microsoft.MachineLearningServices/registries/{name}"

    def _operations(self, registry: str | None) -> Any:
        return self._registry(registry).models if registry else self._client.ml.models

    def _open_registry(self, name: str) -> Any:
        from azure.ai.ml import MLClient

        return MLClient(self._client.credential, registry_name=name, **client_options())


def _is_archived(resource: Mapping[str, Any]) -> bool:
    return bool(resource["properties"].get("isArchived"))


def _listed(version: Mapping[str, Any]) -> ListedModel:
    created_at = datetime.fromisoformat(version["systemData"]["createdAt"])
    return ListedModel(version["name"], created_at, version["properties"].get("tags") or {})


def _read(model: Any) -> RegisteredModel:
    return RegisteredModel(
        name=str(model.name),
        version=str(model.version),
        uri=str(model.path),
        type=str(model.type),
        description=str(model.description or ""),
        tags=dict(model.tags or {}),
        properties=dict(model.properties or {}),
        flavors=dict(model.flavors or {}),
        run=str(model.job_name or ""),
    )
