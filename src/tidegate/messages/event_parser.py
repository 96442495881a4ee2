"""The parser of Azure's events, which handles all peculiarities of their payloads.

It accepts both event schemas, keys in any case, and versions of any type. URLs in events are never fetched.
The only one that is read at all is the former address of a renamed blob.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from tidegate.messages.events import (
    BlobChanged,
    DataDrifted,
    Event,
    ModelDeployed,
    ModelRegistered,
    OtherEvent,
    RunChanged,
    Unreadable,
)

_STORAGE = "Microsoft.Storage."
_LEARNING = "Microsoft.MachineLearningServices."
_BLOB_SUBJECT = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_RUN_SUBJECT = re.compile(r"experiments/.*/runs/([^/]+)")
_MODEL_SUBJECT = re.compile(r"models/(.+):([^:]+)")
_LONGEST_ID = 256
_LONGEST_TEXT = 4096
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # half of a surrogate pair, which only JSON can contain
_EMPTY_UNTIL_WRITTEN = {"CreateFile", "SftpCreate"}


class _WrongShapeError(Exception):
    """An event cannot be read, for this reason."""


@dataclass(frozen=True, slots=True)
class _Envelope:
    """The fields that both event schemas have."""

    id: str
    topic: str
    type: str
    subject: str
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        return _text(_find(self.data, name))[:_LONGEST_TEXT]

    def mapping(self, name: str) -> Mapping[str, str]:
        """Return tags or properties, which may be null."""
        value = _find(self.data, name)
        return {key: _text(item) for key, item in value.items()} if isinstance(value, dict) else {}


def parse(raw: str | bytes) -> list[Event]:
    """Return the events of a delivery, which is one object or an array, possibly empty.

    An event that cannot be read is returned as Unreadable, so that this never raises an exception.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
        return [_unreadable(reason=f"the delivery is not valid JSON ({error})", content=text)]
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
        raise _WrongShapeError("the event has no id, no type or no topic")
    reader = _READERS.get(type.lower())
    if reader is None:
        return OtherEvent(id=id, topic=topic, type=type)
    data = _find(fields, "data")
    if not isinstance(data, dict):
        raise _WrongShapeError("its data is not an object")
    return reader(_Envelope(id, topic, type, _text(_find(fields, "subject")), data))


def _blob(event: _Envelope) -> Event:
    container, path = _container_and_path(event.subject)
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
    )


def _run(event: _Envelope) -> Event:
    subject = _RUN_SUBJECT.fullmatch(event.subject)
    run_id = event.text("runId") or (subject[1] if subject else "")
    if not run_id:
        raise _WrongShapeError("the event does not name a run")
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
        raise _WrongShapeError("the event does not name a model and its version")
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


def _container_and_path(subject: str) -> tuple[str, str]:
    """Return container and name from the subject. In Azure's own samples the URL has another container."""
    match = _BLOB_SUBJECT.fullmatch(subject)
    if not match:
        raise _WrongShapeError("the event's subject does not name a blob")
    return match[1], match[2]


def _source(event: _Envelope) -> tuple[str, str] | None:
    """Return container and path before a renaming within the same account, or None."""
    url = event.text("sourceUrl")
    try:
        parts = urlsplit(url)
        container, _, path = unquote(parts.path).removeprefix("/").partition("/")
        same_account = (parts.hostname or "").partition(".")[0] == event.topic.rpartition("/")[2]
    except ValueError:
        return None
    return (container, path) if same_account and container and path else None


def _find(mapping: Mapping[str, Any], name: str) -> Any:
    """Return the value of a key in any case.

    The documented case is tried first, because bursts of events need quick parsing.
    """
    if name in mapping:
        return mapping[name]
    lower = name.lower()
    return next((value for key, value in mapping.items() if key.lower() == lower), None)


def _text(value: Any) -> str:
    """Return a string or a number as text, and an empty text for null, objects and booleans."""
    if isinstance(value, str):
        return value if value.isascii() else _HALF_CHARACTER.sub("\ufffd", value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _unreadable(*, reason: str, content: str, id: str = "", topic: str = "", type: str = "") -> Unreadable:
    """Return an unreadable event.

    A missing id is derived from the content, so that a redelivery has the same id.
    """
    id = id or f"unreadable-{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:16]}"
    return Unreadable(id=id, topic=topic, type=type, reason=reason, content=content)


def _dumped(item: Any) -> str:
    try:
        return json.dumps(item)
    except RecursionError:
        return '"nested too deeply to be kept"'
