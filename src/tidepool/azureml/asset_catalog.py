"""The versioned assets of all kinds, as jobs and MLflow find and register them."""

from collections.abc import Mapping
from typing import Any

from tidepool.arm.requests import Routes
from tidepool.azureml.asset_kinds import KINDS
from tidepool.azureml.asset_routes import AssetRoutes
from tidepool.azureml.assets import Assets, Created, UsedBy
from tidepool.azureml.locations import BlobLocation, locate
from tidepool.azureml.references import References
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store


class AssetCatalog:
    """The assets by kind. `kinds` maps the name of a kind in ARM (`data`, `models` ...) to its assets.

    `created` is called for each new version. `used_by` returns the name of the deployment that uses a
    version.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        references: References,
        created: Created,
        used_by: UsedBy,
    ) -> None:
        self._store = store
        self._references = references
        self.kinds: Mapping[str, Assets] = {
            kind.type: Assets(
                kind,
                store=store,
                scheduler=scheduler,
                references=references,
                created=created,
                used_by=used_by,
            )
            for kind in KINDS
        }

    def routes(self) -> Routes:
        """Return the routes of the assets of workspaces and registries."""
        return {
            key: handler
            for assets in self.kinds.values()
            for owner in ("workspaces", "registries")
            for key, handler in AssetRoutes(assets).routes(owner).items()
        }

    def asset(self, workspace_id: str, asset_kind: str, name: str, version: str) -> Document | None:
        """Return a version, or None if it does not exist."""
        return self.kinds[asset_kind].get(workspace_id, name, version)

    def latest(self, workspace_id: str, asset_kind: str, name: str) -> Document | None:
        """Return the version that was created last, or None if there is none."""
        return self.kinds[asset_kind].latest(workspace_id, name)

    def named(self, workspace_id: str, text: str) -> Document | None:
        """Return the resource that an id or a URI names.

        Return None if the text is no reference, or if the resource does not exist.
        """
        reference = self._references.read(workspace_id, text)
        return self._references.resolve(reference) if reference else None

    def resolve(self, workspace_id: str, uri_or_asset_id: str) -> BlobLocation:
        """Return the storage location that a URI or an asset id refers to.

        Raise AzureError 400 if there is no such location.
        """
        return locate(self._store, workspace_id, uri_or_asset_id)

    async def register_data(
        self, workspace_id: str, name: str, version: str | None, properties: Document
    ) -> Document:
        """Register the output of a job as a Data asset.

        If no version is given, the asset gets the next number.
        """
        return await self._register("data", workspace_id, name, version, properties)

    async def register_model(
        self, workspace_id: str, name: str, version: str | None, properties: Document
    ) -> Document:
        """Register a model that a job wrote. Event Grid gets a ModelRegistered event."""
        return await self._register("models", workspace_id, name, version, properties)

    async def _register(
        self,
        asset_kind: str,
        workspace_id: str,
        name: str,
        version: str | None,
        properties: Mapping[str, Any],
    ) -> Document:
        assets = self.kinds[asset_kind]
        container = assets.container(workspace_id, name)
        number = version or (container["properties"]["nextVersion"] if container else "1")
        document, _ = await assets.put(workspace_id, name, number, dict(properties), by="compute")
        return document
