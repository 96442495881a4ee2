"""Events as Azure sends them, read into ours: every quirk of the payloads is known here. Decides nothing.

Both schemas, keys in any case, versions of any type. URLs in events are never fetched; only the one that says
where a renamed blob came from is read at all.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

_STORAGE = "Microsoft.Storage."
_LEARNING = "Microsoft.MachineLearningServices."
_BLOB_SUBJECT = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_RUN_SUBJECT = re.compile(r"experiments/.*/runs/([^/]+)")
_MODEL_SUBJECT = re.compile(r"models/(.+):([^:]+)")
_LONGEST_NAME = 1024  # https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_LONGEST_ID = 256
_LONGEST_TEXT = 4096
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ufffd]")
_HALF = re.compile(r"[\ud800-\udfff]")  # of a character: JSON can say it, nothing else can
_SLASH = re.compile(r"[/\\]")
_EMPTY_UNTIL_WRITTEN = {"CreateFile", "SftpCreate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events say. `topic` is the ARM id of who raised it, in lower case."""

    id: str
    topic: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobChanged(Event):
    """A blob was created, deleted or renamed. `path` is its name as storage has it, never decoded."""

    container: str
    path: str
    directory: bool = False
    deleted: bool = False
    unwritten: bool = False  # CreateFile and SftpCreate: another event says when the content is there
    source: tuple[str, str] | None = None  # container and path that it was renamed from
    fault: str = ""  # what makes the name one that cannot be scored


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanged(Event):
    """A run completed or took another status; `status` is in lower case, as Azure's own casing varies."""

    run_id: str
    status: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRegistered(Event):
    name: str
    version: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDeployed(Event):
    endpoint: str
    models: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDrifted(Event):
    """From the dataset monitors of v1, which are retired."""

    monitor: str
    run_id: str
    coefficient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent(Event):
    """Of a type that the service has no use for. A handshake's `validationUrl` is never fetched either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Event):
    """Not as Azure documents it. Id, topic and type are there as far as they could be read."""

    reason: str
    content: str = field(repr=False)


class _WrongShapeError(Exception):
    """Why an event cannot be read."""


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What both schemas have in common."""

    id: str
    topic: str
    type: str
    subject: str
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        return _text(_find(self.data, name))[:_LONGEST_TEXT]

    def mapping(self, name: str) -> Mapping[str, str]:
        """Tags or properties, which can be null."""
        value = _find(self.data, name)
        return {key: _text(item) for key, item in value.items()} if isinstance(value, dict) else {}


def parse(raw: str | bytes) -> list[Event]:
    """The events of a delivery: one object, or an array, which may be empty. Never raises."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
        return [_unreadable(reason=f"it is not JSON ({error})", content=text)]
    return [_event(item) for item in (body if isinstance(body, list) else [body])]


def _event(item: Any) -> Event:
    fields = item if isinstance(item, dict) else {}
    id = _text(_find(fields, "id"))[:_LONGEST_ID]
    type = _text(_find(fields, "eventType") or _find(fields, "type"))
    topic = _text(_find(fields, "topic") or _find(fields, "source")).rstrip("/").lower()
    try:
        return _read(id, type, topic, fields)
    except _WrongShapeError as error:
        return _unreadable(id=id, topic=topic, type=type, reason=str(error), content=_dumped(item))


def _read(id: str, type: str, topic: str, fields: Mapping[str, Any]) -> Event:
    if not (id and type and topic):
        raise _WrongShapeError("it has no id, no type or no topic")
    reader = _READERS.get(type.lower())
    if reader is None:
        return OtherEvent(id=id, topic=topic, type=type)
    data = _find(fields, "data")
    if not isinstance(data, dict):
        raise _WrongShapeError("its data is no object")
    return reader(_Envelope(id, topic, type, _text(_find(fields, "subject")), data))


def _blob(event: _Envelope) -> Event:
    container, path = _place(event.subject)
    kind = event.type.rpartition(".")[2].lower()
    return BlobChanged(
        id=event.id,
        topic=event.topic,
        type=event.type,
        container=container,
        path=path,
        directory=kind.startswith("directory"),
        deleted=kind.endswith("deleted"),
        unwritten=event.text("api") in _EMPTY_UNTIL_WRITTEN and event.text("contentLength") in ("", "0"),
        source=_source(event) if kind.endswith("renamed") else None,
        fault=_fault(path),
    )


def _run(event: _Envelope) -> Event:
    subject = _RUN_SUBJECT.fullmatch(event.subject)
    run_id = event.text("runId") or (subject[1] if subject else "")
    if not run_id:
        raise _WrongShapeError("it names no run")
    completed = event.type.lower().endswith(".runcompleted")
    return RunChanged(
        id=event.id,
        topic=event.topic,
        type=event.type,
        run_id=run_id,
        status="completed" if completed else event.text("runStatus").lower(),
        tags=event.mapping("runTags"),
    )


def _registered(event: _Envelope) -> Event:
    subject = _MODEL_SUBJECT.fullmatch(event.subject)
    name = event.text("modelName") or (subject[1] if subject else "")
    version = event.text("modelVersion") or (subject[2] if subject else "")
    if not name or not version:
        raise _WrongShapeError("it names no model and version")
    tags = event.mapping("modelTags")
    return ModelRegistered(
        id=event.id, topic=event.topic, type=event.type, name=name, version=version, tags=tags
    )


def _deployed(event: _Envelope) -> Event:
    endpoint = event.text("serviceName") or event.subject.removeprefix("endpoints/")
    models = event.text("modelIds")
    return ModelDeployed(id=event.id, topic=event.topic, type=event.type, endpoint=endpoint, models=models)


def _drifted(event: _Envelope) -> Event:
    return DataDrifted(
        id=event.id,
        topic=event.topic,
        type=event.type,
        monitor=event.text("dataDriftName") or event.text("dataDriftId"),
        run_id=event.text("runId"),
        coefficient=event.text("driftCoefficient"),
    )


_READERS: dict[str, Callable[[_Envelope], Event]] = {
    name.lower(): read
    for prefix, read, kinds in (
        (_STORAGE, _blob, "BlobCreated BlobDeleted BlobRenamed DirectoryDeleted DirectoryRenamed"),
        (_LEARNING, _run, "RunCompleted RunStatusChanged"),
        (_LEARNING, _registered, "ModelRegistered"),
        (_LEARNING, _deployed, "ModelDeployed"),
        (_LEARNING, _drifted, "DatasetDriftDetected"),
    )
    for name in (prefix + kind for kind in kinds.split())
}


def _place(subject: str) -> tuple[str, str]:
    """Container and name, from the subject alone: Azure's own samples have URLs of another container."""
    found = _BLOB_SUBJECT.fullmatch(subject)
    if not found:
        raise _WrongShapeError("its subject names no blob")
    return found[1], found[2]


def _fault(path: str) -> str:
    if len(path) > _LONGEST_NAME:
        return f"its name is longer than {_LONGEST_NAME} characters"
    if _UNPRINTABLE.search(path):
        return "its name has characters that cannot be shown"
    if {".", ".."} & set(_SLASH.split(unquote(path))):
        return "its name climbs out of its folder"
    return ""


def _source(event: _Envelope) -> tuple[str, str] | None:
    """Where a blob was before it was renamed, if that was in the same account."""
    url = event.text("sourceUrl")
    try:
        parts = urlsplit(url)
        container, _, path = unquote(parts.path).removeprefix("/").partition("/")
        same_account = (parts.hostname or "").partition(".")[0] == event.topic.rpartition("/")[2]
    except ValueError:
        return None
    return (container, path) if same_account and container and path else None


def _find(mapping: Mapping[str, Any], name: str) -> Any:
    """The value of a key in whatever case; as documented first, since a burst of blobs comes through here."""
    if name in mapping:
        return mapping[name]
    wanted = name.lower()
    return next((value for key, value in mapping.items() if key.lower() == wanted), None)


def _text(value: Any) -> str:
    """Versions and counts come as numbers or as strings; null and objects are nothing."""
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub("\ufffd", value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _unreadable(*, reason: str, content: str, id: str = "", topic: str = "", type: str = "") -> Unreadable:
    """Without an id of its own it gets one from its content, so that a redelivery has the same."""
    id = id or f"unreadable-{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:16]}"
    return Unreadable(id=id, topic=topic, type=type, reason=reason, content=content)


def _dumped(item: Any) -> str:
    try:
        return json.dumps(item)
    except RecursionError:
        return '"nested too deeply to be kept"'
