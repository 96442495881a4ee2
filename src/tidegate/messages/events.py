"""The types of the events that Azure sends."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The fields of all events. `topic` is the ARM id of the resource that sent it, in lower case."""

    id: str
    topic: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobChanged(Event):
    """A blob was created, deleted or renamed. `path` is its name in storage, which is never decoded.

    `unwritten` means that another event follows once the content is written (CreateFile and SftpCreate).
    `source` is the container and path before a renaming.
    """

    container: str
    path: str
    directory: bool = False
    deleted: bool = False
    unwritten: bool = False
    source: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanged(Event):
    """A run changed its status. `status` is in lower case, because Azure's own casing varies."""

    run_id: str
    status: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRegistered(Event):
    """A model version was registered."""

    name: str
    version: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDeployed(Event):
    """Models were deployed to an endpoint."""

    endpoint: str
    models: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDrifted(Event):
    """A dataset monitor of Azure ML v1, which is retired, found drift."""

    monitor: str
    run_id: str
    coefficient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent(Event):
    """An event of a type that the service does not use. A handshake's `validationUrl` is never fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Event):
    """An event that differs from Azure's documentation. Id, topic and type may be empty."""

    reason: str
    content: str = field(repr=False)
