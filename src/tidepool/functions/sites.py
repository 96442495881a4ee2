"""The functions apps of a Tidepool: gives each its settings, a proxy port and its subscriptions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidepool import default_resources as estate
from tidepool.events.eventgrid import EventGrid
from tidepool.functions.host import FunctionsApp
from tidepool.network import Proxy
from tidepool.scheduler import Scheduler
from tidepool.storage.gateway import StorageGateway
from tidepool.store import Store

TOPICS = {
    "storage": estate.storage_account_id(estate.STORAGE_ACCOUNT),
    "development": estate.workspace_id(estate.DEVELOPMENT),
    "production": estate.workspace_id(estate.PRODUCTION),
}
_SUBSCRIPTIONS = Path("infra/subscriptions.yaml")


@dataclass(frozen=True, kw_only=True)
class SiteSpec:
    """A functions app to start: `settings` over the usual ones, `topics` (ARM ids) over the estate's."""

    name: str
    app_dir: Path
    settings: Mapping[str, str]
    topics: Mapping[str, str]


class Sites:
    """Starts and stops functions apps.

    `environment(principal, proxy_port)` are the variables that reach Tidepool.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        proxy: Proxy,
        eventgrid: EventGrid,
        storage: StorageGateway,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._proxy = proxy
        self._eventgrid = eventgrid
        self._storage = storage
        self._ports: dict[str, int] = {}
        self.environment: Callable[[str, int], dict[str, str]] = lambda _principal, _port: {}

    def apps(self) -> list[FunctionsApp]:
        return list(self._eventgrid.sites.values())

    def get(self, name: str) -> FunctionsApp:
        """ValueError names the ones there are."""
        found = self._eventgrid.sites.get(name)
        if found is None:
            raise ValueError(
                f"no functions app {name!r} is running; "
                f"there are: {', '.join(self._eventgrid.sites) or 'none'}"
            )
        return found

    async def start(self, spec: SiteSpec) -> FunctionsApp:
        """Start an app and subscribe it to its events, as `infra/subscriptions.yaml` in its folder says."""
        if spec.name in self._ports:
            raise ValueError(f"a functions app {spec.name!r} is running already")
        port = self._ports[spec.name] = await self._proxy.listen(spec.name)
        app = FunctionsApp(
            name=spec.name,
            app_dir=spec.app_dir,
            settings={**self._settings(spec, port), **spec.settings},
            store=self._store,
            scheduler=self._scheduler,
            send=self._storage.send,
        )
        self._eventgrid.sites[spec.name] = app
        await app.start()
        file = spec.app_dir / _SUBSCRIPTIONS
        if file.exists():
            topics = {**TOPICS, **spec.topics}
            prefix = "" if spec.name == estate.DEFAULT_SITE else f"{spec.name}-"
            made = await self._eventgrid.subscribe_file(
                file, topics=topics, site=estate.site_id(spec.name), prefix=prefix
            )
            named = [(document["properties"]["topic"], document["name"]) for document in made]
            self._store.put(f"/sites/{spec.name}", {"subscriptions": named})
        return app

    def forget_former(self) -> None:
        """Drop the subscriptions of apps that a former process started for a while."""
        for path, _ in list(self._store.children("/sites")):
            name = path.rpartition("/")[2]
            if name != estate.DEFAULT_SITE and name not in self._ports:
                self._forget_subscriptions(name)

    async def stop(self, name: str) -> None:
        """Stop an app; its subscriptions go with it."""
        app = self.get(name)
        self._forget_subscriptions(name)
        listened = [listener.queue for listener in app.triggers.listeners] if app.triggers else []
        await app.stop()
        for queue in listened:
            self._storage.queues.let_go(queue.account, queue.queue)
        del self._eventgrid.sites[name]
        self._proxy.close([self._ports.pop(name)])

    async def close(self) -> None:
        """Stop all apps; their subscriptions stay."""
        for app in self.apps():
            await app.stop()

    def _settings(self, spec: SiteSpec, port: int) -> dict[str, str]:
        topics = {**TOPICS, **spec.topics}
        names = {kind: topic.rpartition("/")[2] for kind, topic in topics.items()}
        return {
            **self.environment("tidegate", port),
            "AzureWebJobsStorage__accountName": names["storage"],
            "AZURE_STORAGE_ACCOUNT": names["storage"],
            "AZUREML_WORKSPACE_DEVELOPMENT": names["development"],
            "AZUREML_WORKSPACE_PRODUCTION": names["production"],
            "TIDEGATE_CONFIG": str(spec.app_dir / "tidegate.yml"),
        }

    def _forget_subscriptions(self, name: str) -> None:
        remembered = self._store.get(f"/sites/{name}") or {"subscriptions": []}
        for topic, subscription in remembered["subscriptions"]:
            self._eventgrid.unsubscribe(topic, subscription)
        self._store.delete(f"/sites/{name}")
