"""The events of the control plane itself: a new version of a model is announced on its workspace's topic."""

import uuid
from typing import Any, Protocol

from tidepool.asset_kinds import AssetKind
from tidepool.history import timestamp
from tidepool.scheduler import Scheduler
from tidepool.store import Document


class Publisher(Protocol):
    async def publish(self, topic_id: str, events: list[dict[str, Any]]) -> None: ...


class ModelEvents:
    """Raises ModelRegistered, with the PascalCase keys and the integer version of Microsoft's own sample."""

    def __init__(self, *, eventgrid: Publisher, scheduler: Scheduler) -> None:
        self._eventgrid = eventgrid
        self._scheduler = scheduler

    async def announce(self, root: str, kind: AssetKind, document: Document) -> None:
        """Told of every new version of any asset; only models of workspaces have an event."""
        if kind.type != "models" or "/registries/" in root.lower():
            return
        name, version = document["id"].split("/")[-3], document["name"]
        properties = document["properties"]
        event = {
            "topic": root,
            "id": str(uuid.uuid4()),
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "subject": f"models/{name}:{version}",
            "eventTime": timestamp(self._scheduler.now()),
            "data": {
                "ModelName": name,
                "ModelVersion": int(version) if version.isdecimal() else version,
                "ModelTags": properties["tags"],
                "ModelProperties": properties["properties"],
            },
            "dataVersion": "",
            "metadataVersion": "1",
        }
        await self._eventgrid.publish(root, [event])
