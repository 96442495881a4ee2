"""A version as development has it: where it comes from, and its files. Judges nothing."""

from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.cloud.assets import datastore_path_of
from tidegate.domain.lifecycle.file_copy import Folder
from tidegate.domain.lifecycle.lineage import SOURCE_TAG
from tidegate.domain.lifecycle.records import ModelSource, ModelVersion
from tidegate.errors import NotFoundError

if TYPE_CHECKING:
    from tidegate.cloud.workspaces import WorkspaceClients


def candidate(workspace: "WorkspaceClients", name: str, version: str, at: datetime) -> ModelVersion:
    """NotFoundError where development has no such version."""
    model = workspace.models.find(name, version)
    if model is None:
        raise NotFoundError(f"development has no model {name}:{version}")
    source = ModelSource(
        run=model.run,
        uri=model.uri,
        tags=dict(model.tags),
        properties=dict(model.properties),
        data=workspace.jobs.input_data(model.run) if model.run else {},
    )
    return ModelVersion(model=name, version=version, registered_at=at, source=source)


def is_copy(record: ModelVersion) -> bool:
    """One that we made ourselves is nobody's candidate."""
    return SOURCE_TAG in record.source.tags


def files_of(workspace: "WorkspaceClients", uri: str) -> Folder:
    """Where a version's files are. PermanentError where they are in no datastore."""
    return workspace.datastores.folder(*datastore_path_of(uri))
