"""The events of registered and deployed models, on the topic of their workspace."""

import uuid

from tidepool.azureml.asset_kinds import AssetKind
from tidepool.azureml.run_history import Publish, timestamp
from tidepool.scheduler import Scheduler
from tidepool.store import Document


class ModelEvents:
    """The publisher of ModelRegistered and ModelDeployed.

    The keys in these events are PascalCase, as in Microsoft's samples.
    """

    def __init__(self, *, publish: Publish, scheduler: Scheduler) -> None:
        self._publish = publish
        self._scheduler = scheduler

    async def registered(self, root: str, kind: AssetKind, document: Document) -> None:
        """Publish ModelRegistered if a new version is a model of a workspace.

        This method is called for each new version of any asset.
        """
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
        await self._send(root, "ModelRegistered", f"models/{name}:{version}", data)

    async def deployed(self, root: str, endpoint: str, model_id: str, deployment: Document) -> None:
        """Publish ModelDeployed for a provisioned deployment. `model_id` is `name:version`."""
        data = {
            "ServiceName": endpoint,
            "ServiceComputeType": "Managed",
            "ModelIds": model_id,
            "ServiceTags": deployment["tags"],
            "ServiceProperties": deployment["properties"]["properties"],
        }
        await self._send(root, "ModelDeployed", f"endpoints/{endpoint}", data)

    async def _send(self, root: str, kind: str, subject: str, data: Document) -> None:
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
        await self._publish(root, [event])
