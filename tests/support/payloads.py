"""Events in the form in which Azure sends them, with default values."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.config_yaml import GROUP, SUBSCRIPTION

_GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"


def storage_id(account: str = "stimages") -> str:
    return f"{_GROUP_ID}/Microsoft.Storage/storageAccounts/{account}"


def workspace_id(name: str = "mlw-dev") -> str:
    return f"{_GROUP_ID}/Microsoft.MachineLearningServices/workspaces/{name}"


def event(type: str, data: Any, **changes: Any) -> dict[str, Any]:
    """Return an event in the Event Grid schema."""
    return {
        "id": "e0000000-0000-4000-8000-000000000001",
        "topic": storage_id(),
        "subject": "",
        "eventType": type,
        "eventTime": "2026-11-21T02:10:00.1234567Z",
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    } | changes


def cloud_event(grid_event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of the Event Grid schema in the CloudEvents 1.0 schema."""
    names = {
        "id": "id",
        "topic": "source",
        "eventType": "type",
        "subject": "subject",
        "eventTime": "time",
        "data": "data",
    }
    return {"specversion": "1.0"} | {cloud: grid_event[grid] for grid, cloud in names.items()}


def blob_event(
    path: str, *, kind: str = "BlobCreated", container: str = "images", **changes: Any
) -> dict[str, Any]:
    data = {
        "api": {"BlobCreated": "PutBlob", "BlobDeleted": "DeleteBlob"}.get(kind, "RenameFile"),
        "requestId": "831e1650-001e-001b-66ab-eeb76e000000",
        "eTag": "0x8D4BCC2E4835CD0",
        "contentType": "image/png",
        "contentLength": 524288,
        "blobType": "BlockBlob",
        "url": f"https://stimages.blob.core.windows.net/{container}/{path}",
        "sequencer": "00000000000004420000000000028963",
        "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
    } | changes.pop("data", {})
    subject = f"/blobServices/default/containers/{container}/blobs/{path}"
    return event(f"Microsoft.Storage.{kind}", data, subject=subject, **changes)


def run_event(run_id: str, *, kind: str = "RunStatusChanged", **changes: Any) -> dict[str, Any]:
    data = {
        "experimentId": "0fa9dfaa-cba3-4fa7-b590-23e48548f5c1",
        "experimentName": "digits",
        "runId": run_id,
        "runType": None,
        "runTags": None,
        "runProperties": None,
        "runStatus": "Completed",
    } | changes.pop("data", {})
    subject = f"experiments/0fa9dfaa-cba3-4fa7-b590-23e48548f5c1/runs/{run_id}"
    changes = {"topic": workspace_id()} | changes
    return event(f"Microsoft.MachineLearningServices.{kind}", data, subject=subject, **changes)


def learning_event(kind: str, subject: str, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    changes = {"topic": workspace_id()} | changes
    return event(f"Microsoft.MachineLearningServices.{kind}", data, subject=subject, **changes)


def as_json(*events: Any) -> str:
    """Return one event as the JSON that Functions passes on, or several as an array."""
    return json.dumps(events[0] if len(events) == 1 else list(events))
