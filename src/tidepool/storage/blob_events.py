"""The events of Azure Storage: which requests raise an event, and what the event contains."""

import uuid
from datetime import UTC, datetime
from typing import Any

from tidepool.storage.request import Headers, StorageRequest, header

Event = dict[str, Any]
DELETE = "DeleteBlob"
_SEQUENCER_EPOCH = 0x15508


def api_of(request: StorageRequest) -> str | None:
    """Return the `data.api` of the event that a request raises, or None if the request raises no event."""
    if request.service != "blob" or not request.segments[1]:
        return None
    comp = request.query.get("comp")
    if request.method == "DELETE":
        return DELETE if comp is None and "snapshot" not in request.query else None
    if request.method != "PUT" or comp not in (None, "blocklist"):
        return None
    if comp == "blocklist":
        return "PutBlockList"
    if request.header("x-ms-copy-source") and not request.header("x-ms-blob-type"):
        return "CopyBlob"
    return "PutBlob"


def states_properties(request: StorageRequest, api: str) -> bool:
    """Return whether the request contains the type and length of the blob.

    If not, both must be read from storage.
    """
    return api == "PutBlob" and not request.header("x-ms-copy-source")


def stated_properties(request: StorageRequest) -> Headers:
    """Return the properties of the blob that a Put Blob request states."""
    length = request.header("x-ms-blob-content-length") or request.header("content-length")
    content_type = request.header("x-ms-blob-content-type") or request.header("content-type")
    values = {
        "content-length": length,
        "content-type": content_type,
        "x-ms-blob-type": request.header("x-ms-blob-type"),
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in values.items() if value]


def event(  # noqa: PLR0913 - the parts of an event
    request: StorageRequest,
    api: str,
    *,
    topic: str,
    answered: Headers,
    properties: Headers,
    number: int,
) -> Event:
    """Return a BlobCreated or BlobDeleted event in the Event Grid schema.

    `topic` is the id of the account. `answered` contains the headers of the response, and `properties`
    contains the properties of the blob. `number` is greater for each new event.
    """
    deleted = api == DELETE
    request_id = header(answered, "x-ms-request-id")
    container, name = request.segments
    data: dict[str, Any] = {
        "api": api,
        "clientRequestId": request.header("x-ms-client-request-id"),
        "requestId": request_id,
        "eTag": header(answered, "etag").strip('"'),
        "contentType": header(properties, "content-type") or "application/octet-stream",
        "contentLength": int(header(properties, "content-length") or 0),
        "blobType": header(properties, "x-ms-blob-type") or "BlockBlob",
        "url": f"https://{request.account}.blob.core.windows.net{request.path}",
        "sequencer": f"{_SEQUENCER_EPOCH:032x}{number:016x}",
        "storageDiagnostics": {"batchId": str(uuid.uuid4())},
    }
    if deleted:
        del data["eTag"], data["contentLength"]
    if not data["clientRequestId"]:
        del data["clientRequestId"]
    return {
        "topic": topic,
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": f"Microsoft.Storage.{'BlobDeleted' if deleted else 'BlobCreated'}",
        "id": f"{request_id[:-6]}{number & 0xFFFFFF:06x}",
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z",
    }
