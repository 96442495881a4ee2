"""The functions apps that run in a Tidepool, each with its app settings and a proxy port."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidepool.access.principals import Principal
from tidepool.default_resources import (
    DEFAULT_SITE,
    DEVELOPMENT,
    PRODUCTION,
    STORAGE_ACCOUNT,
    storage_account_id,
    workspace_id,
)
from tidepool.functions.host import PRINCIPAL, FunctionsApp
from tidepool.functions.http_app import HttpApp
from tidepool.functions.queue_client import QueueClient
from tidepool.network import Proxy
from tidepool.scheduler import Scheduler
from tidepool.storage.gateway import StorageGateway
from tidepool.store import Store

DEFAULT_TOPICS = {
    "storage": storage_account_id(STORAGE_ACCOUNT),
    "development": workspace_id(DEVELOPMENT),
    "production": workspace_id(PRODUCTION),
}


_SETTINGS = "/appSettings"
_PLATFORM = "/platformVariables"


@dataclass(frozen=True, kw_only=True)
class SiteSpec:
    """A functions app to start.

    `settings` replace default app settings of the same name. `topics` maps names in DEFAULT_TOPICS to ARM
    ids, which replace the default ids. `resource_id` is the id of a site that a template made: such an app
    has the site's identity, and only the site's app settings. `is_default` is true for the app of
    `tidepool up --app`.
    """

    name: str
    app_dir: Path
    settings: Mapping[str, str]
    topics: Mapping[str, str]
    resource_id: str = ""
    is_default: bool = False

    @property
    def all_topics(self) -> dict[str, str]:
        return {**DEFAULT_TOPICS, **self.topics}


class Sites:
    """The running functions apps.

    `environment(principal, proxy_port)` returns the environment variables with which an app reaches Tidepool
    and the default resources. `connection` returns only those with which it reaches Tidepool, as an App
    Service has them. `apps` contains the apps by name, and other parts of Tidepool read it.
    """

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        proxy: Proxy,
        storage: StorageGateway,
        environment: Callable[[str, int], dict[str, str]],
        connection: Callable[[str, int], dict[str, str]],
        principal: Callable[[str], Principal],
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._proxy = proxy
        self._storage = storage
        self._environment = environment
        self._connection = connection
        self._principal = principal
        self._default = DEFAULT_SITE
        self._ports: dict[str, int] = {}
        self._http_apps: dict[str, HttpApp] = {}
        self.apps: dict[str, FunctionsApp] = {}

    @property
    def default(self) -> FunctionsApp | None:
        """The app of `tidepool up --app`, if it runs."""
        return self.apps.get(self._default)

    def get(self, name: str) -> FunctionsApp:
        """Return a running app. DEFAULT_SITE is the app of `tidepool up --app`, whatever its site's name.

        If it does not run, raise ValueError with the names of the running apps.
        """
        name = self._default if name == DEFAULT_SITE else name
        if name not in self.apps:
            raise ValueError(
                f"no functions app {name!r} is running; running apps: {', '.join(self.apps) or 'none'}"
            )
        return self.apps[name]

    async def start(self, spec: SiteSpec) -> FunctionsApp:
        """Start an app. Raise ValueError if an app of that name runs already."""
        if spec.name in self._ports:
            raise ValueError(f"a functions app {spec.name!r} is already running")
        port = self._ports[spec.name] = await self._proxy.listen(spec.name)
        app = FunctionsApp(
            name=spec.name,
            app_dir=spec.app_dir,
            settings={**self._settings(spec, port), **spec.settings},
            principal=self._principal(spec.resource_id or PRINCIPAL),
            store=self._store,
            scheduler=self._scheduler,
            send=self._storage.send,
        )
        self.apps[spec.name] = app
        if spec.is_default:
            self._default = spec.name
        http_app = self._http_apps[spec.name] = HttpApp(app)
        await app.start(await http_app.listen())
        return app

    async def stop(self, name: str) -> None:
        """Stop an app and free its ports. Its queue messages become available to other apps."""
        app = self.get(name)
        queues = _queues(app)
        await app.stop()
        self._http_apps.pop(name).close()
        self._release(queues)
        del self.apps[name]
        self._proxy.close([self._ports.pop(name)])

    def deployed_settings(self, name: str) -> dict[str, str]:
        """Return the app settings of a site that a template made."""
        return dict(self._store.get(f"{_SETTINGS}/{name}") or {})

    async def deploy_settings(self, name: str, settings: Mapping[str, str]) -> None:
        """Set the app settings of a site. If they differ, its app starts again, as in Azure."""
        await self._change(name, _SETTINGS, settings)

    async def turn_authentication(self, name: str, *, on: bool) -> None:
        """Turn the authentication in front of a site on or off. If that changes it, its app starts again."""
        await self._change(name, _PLATFORM, {"WEBSITE_AUTH_ENABLED": "true"} if on else {})

    async def _change(self, name: str, collection: str, values: Mapping[str, str]) -> None:
        before = self._variables(name)
        self._store.put(f"{collection}/{name}", dict(values))
        after = self._variables(name)
        if (app := self.apps.get(name)) and before != after:
            kept = {key: value for key, value in app.settings.items() if key not in before}
            await app.restart({**kept, **after})

    def _variables(self, name: str) -> dict[str, str]:
        """Return the app settings of a template's site, and the variables that App Service adds."""
        return {**self.deployed_settings(name), **(self._store.get(f"{_PLATFORM}/{name}") or {})}

    async def kill(self, name: str) -> FunctionsApp:
        """Kill the instance of an app, and start a new one.

        The messages that the old instance processed are hidden until their leases end.
        """
        app = self.get(name)
        queues = _queues(app)
        await app.kill()
        self._release(queues)
        return app

    async def close(self) -> None:
        """Stop all apps when Tidepool stops."""
        for name, app in list(self.apps.items()):
            await app.stop()
            self._http_apps[name].close()

    def _release(self, queues: Iterable[QueueClient]) -> None:
        for queue in queues:
            self._storage.queues.release(queue.account, queue.queue)

    def _settings(self, spec: SiteSpec, port: int) -> dict[str, str]:
        if spec.resource_id:
            return {**self._connection(spec.resource_id, port), **self._variables(spec.name)}
        names = {kind: topic.rpartition("/")[2] for kind, topic in spec.all_topics.items()}
        return {
            **self._environment(PRINCIPAL, port),
            "AzureWebJobsStorage__accountName": names["storage"],
            "AZURE_STORAGE_ACCOUNT": names["storage"],
            "AZUREML_WORKSPACE_DEVELOPMENT": names["development"],
            "AZUREML_WORKSPACE_PRODUCTION": names["production"],
            "TIDEGATE_CONFIG": str(spec.app_dir / "tidegate.yml"),
            "PYTHON_THREADPOOL_THREAD_COUNT": "32",
            "AzureWebJobsDisableHomepage": "true",
            "WEBSITE_AUTH_ENABLED": "true",
        }


def _queues(app: FunctionsApp) -> list[QueueClient]:
    return [listener.queue for listener in app.triggers.listeners] if app.triggers else []
