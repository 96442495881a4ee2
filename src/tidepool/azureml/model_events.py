"""The events of the control plane itself: models registered and deployed, on their workspace's topic."""

import uuid
from typing import Any, Protocol

from tidepool.azureml.asset_kinds import AssetKind
from tidepool.azureml.run_history import timestamp
from tidepool.scheduler import Scheduler
from tidepool.store import Document


class Publisher(Protocol):
    async def publish(self, topic_id: str, events: list[dict[str, Any]]) -> None: ...


class ModelEvents:
    """Raises ModelRegistered and ModelDeployed, with the PascalCase keys of Microsoft's own samples."""

    def __init__(self, *, eventgrid: Publisher, scheduler: Scheduler) -> None:
        self._eventgrid = eventgrid
        self._scheduler = scheduler

    async def announce(self, root: str, kind: AssetKind, document: Document) -> None:
        """Told of every new version of any asset; only models of workspaces have an event."""
        if kind.type != "models" or "/registries/" in root.lower():
            return
        name, version = document["id"].split("/")[-3], document["name"]
        properties = document["properties"]
        data = {
            "ModelName": name,
            "ModelVersion": int(version) if version.isdecimal() else version,
            "ModelTags": properties["tags"],
            "ModelProperties": properties["properties"],
        }
        await self._publish(root, "ModelRegistered", f"models/{name}:{version}", data)

    async def deployed(self, root: str, endpoint: str, model_id: str, deployment: Document) -> None:
        """Told of every deployment that was provisioned; `model_id` is `name:version`."""
        data = {
            "ServiceName": endpoint,
            "ServiceComputeType": "Managed",
            "ModelIds": model_id,
            "ServiceTags": deployment["tags"],
            "ServiceProperties": deployment["properties"]["properties"],
        }
        await self._publish(root, "ModelDeployed", f"endpoints/{endpoint}", data)

    async def _publish(self, root: str, kind: str, subject: str, data: Document) -> None:
        event = {
            "topic": root,
            "id": str(uuid.uuid4()),
            "eventType": f"Microsoft.MachineLearningServices.{kind}",
            "subject": subject,
            "eventTime": timestamp(self._scheduler.now()),
            "data": data,
            "dataVersion": "",
            "metadataVersion": "1",
        }
        await self._eventgrid.publish(root, [event])
