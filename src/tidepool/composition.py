"""The parts of one Tidepool, and the one place that puts them together."""

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Any

from tidepool import default_resources as estate
from tidepool.access.identity import Identity
from tidepool.access.managed_identity import ManagedIdentity
from tidepool.arm.router import Resources
from tidepool.azureml.run_history import Runs
from tidepool.endpoints.online import Online
from tidepool.events.eventgrid import EventGrid
from tidepool.events.subscribed_apps import SubscribedApps
from tidepool.faults import Faults
from tidepool.functions.keys import FunctionKeys
from tidepool.functions.sites import Sites
from tidepool.gateway import Gateway
from tidepool.jobs.jobs import Jobs
from tidepool.mailbox import Mailbox
from tidepool.network import Authority, Proxy, environment
from tidepool.scheduler import Scheduler
from tidepool.storage.accounts import Accounts
from tidepool.storage.authorization import StorageAuthorization
from tidepool.storage.azurite import Azurite
from tidepool.storage.azurite_client import AzuriteClient
from tidepool.storage.blobs import Blobs
from tidepool.storage.copies import Copies
from tidepool.storage.gateway import StorageGateway
from tidepool.storage.queue_watch import QueueWatch
from tidepool.store import Store
from tidepool.tracking.tracking import Tracking


class Parts:
    """Everything inside one supervisor; the attributes are the parts.

    `start` brings up what has to be started.
    """

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        secret = _secret(data_dir / "secret")
        self.store = Store(data_dir / "store.sqlite")
        self.scheduler = Scheduler()
        self._keys = FunctionKeys(self.store, estate.DEFAULT_SITE)  # one key opens its webhook and the topic
        self.faults = Faults(seed)
        self.identity = Identity(store=self.store, secret=secret)
        self.managed_identity = ManagedIdentity(self.identity)
        self.accounts = Accounts(store=self.store, secret=secret)
        self.authority = Authority(data_dir / "ca")
        self.mailbox = Mailbox(store=self.store)
        self.gateway = Gateway(faults=self.faults, kill_worker=self._kill_worker)
        self.proxy = Proxy(gateway=self.gateway, context=self.authority.context())
        self._add_storage()
        self._add_events()
        self._add_control_plane()
        self._mount()

    def _add_storage(self) -> None:
        self.queues = QueueWatch(store=self.store, scheduler=self.scheduler, visible=self._message_visible)
        self.azurite = Azurite(
            data_dir=self.data_dir / "azurite", log_file=self.logs / "azurite.log", authority=self.authority
        )
        self._to_azurite = AzuriteClient(ports=self.azurite.ports, authority=self.authority.authority)
        self.storage = StorageGateway(
            client=self._to_azurite,
            queues=self.queues,
            authorization=StorageAuthorization(self.identity),
            copies=Copies(faults=self.faults, scheduler=self.scheduler),
            publish=self._publish,
            sequence=lambda: self.store.next("sequencer"),
        )
        self.blobs = Blobs(storage=self.storage, accounts=self.accounts)

    def _add_events(self) -> None:
        self.sites = Sites(
            store=self.store,
            scheduler=self.scheduler,
            proxy=self.proxy,
            storage=self.storage,
            environment=self.environment,
        )
        self.eventgrid = EventGrid(
            store=self.store,
            scheduler=self.scheduler,
            blobs=self.blobs,
            faults=self.faults,
            identity=self.identity,
            apps=self.sites.apps,
            seed=self.seed,
        )
        self.subscribed_apps = SubscribedApps(store=self.store, sites=self.sites, eventgrid=self.eventgrid)

    def _add_control_plane(self) -> None:
        given: dict[str, Any] = {"store": self.store, "blobs": self.blobs}
        self.runs = Runs(scheduler=self.scheduler, eventgrid=self.eventgrid, **given)
        self.tracking = Tracking(identity=self.identity, runs=self.runs, data_dir=self.data_dir, **given)
        self.jobs = Jobs(
            scheduler=self.scheduler,
            runs=self.runs,
            faults=self.faults,
            tracking=self.tracking,
            folder=self.data_dir / "jobs",
            python=Path(sys.executable),
            environment=self.environment,
            **given,
        )
        self.online = Online(
            scheduler=self.scheduler,
            identity=self.identity,
            faults=self.faults,
            data_dir=self.data_dir,
            seed=self.seed,
            environment=self.environment,
            **given,
        )
        self.resources = Resources(
            scheduler=self.scheduler,
            identity=self.identity,
            accounts=self.accounts,
            eventgrid=self.eventgrid,
            jobs=self.jobs,
            runs=self.runs,
            online=self.online,
            **given,
        )
        self.jobs.resources = self.tracking.resources = self.resources

    def _mount(self) -> None:
        self.gateway.mount(r"[^/]+\.(blob|queue|table)\.core\.windows\.net/", self.storage.app)
        self.gateway.mount(
            r"(management\.azure\.com|cert-[^/]+\.experiments\.azureml\.net)/", self.resources.app
        )
        self.gateway.mount(r"[^/]+\.inference\.ml\.azure\.com/", self.online.scoring.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/mlflow/", self.tracking.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/", self.resources.data_plane)
        self.gateway.mount(r"[^/]+\.eventgrid\.azure\.net/", self.eventgrid.app)
        self.gateway.mount(rf"{estate.MAILBOX_HOST}/", self.mailbox.app)

    async def start(self, control_port: int) -> None:
        """Open the proxy, start Azurite, make the estate. `control_port` serves the identity endpoint."""
        self.control_port = control_port
        self.proxy_ports = {name: await self.proxy.listen(name) for name in ("developer", "compute")}
        self._scheduling = asyncio.create_task(self.scheduler.run())
        await self.azurite.start(self.accounts.declared())
        await self.storage.forget_lost_messages()
        self.eventgrid.create_topic(estate.custom_topic_id(estate.CUSTOM_TOPIC), self._keys.event_grid)
        await self.resources.create_estate()
        self.online.serving.revive()

    async def start_events(self) -> None:
        """Take up the events of a former process, once the app that shall receive them is there."""
        self.eventgrid.start()
        await self.jobs.recover()
        self.subscribed_apps.remove_former()

    async def stop(self) -> None:
        self.proxy.close()
        await self.jobs.stop()
        await self.online.serving.stop()
        await self.tracking.stop()
        await self.sites.close()
        await self.eventgrid.close()
        self._scheduling.cancel()
        await self._to_azurite.close()
        await self.azurite.stop()
        self.store.close()

    def environment(self, principal: str, proxy_port: int | None = None) -> dict[str, str]:
        """What `tidepool env` exports, for a program that runs as that principal; ValueError: no such one.

        The id of a resource stands for its managed identity.
        """
        origin = "compute" if principal.startswith("/") else "developer"
        exported = {
            **environment(
                proxy_port=proxy_port or self.proxy_ports[origin],
                authority=self.authority,
                identity_url=f"http://127.0.0.1:{self.control_port}/msi/token",
                identity_header=self.managed_identity.header(self.identity.principal(principal)),
            ),
            **estate.variables(),
            "EVENTGRID_KEY": self._keys.event_grid,
        }
        site = self.sites.apps.get(estate.DEFAULT_SITE)
        if site is None:
            return exported
        return {**exported, "FUNCTIONS_URL": site.url, "FUNCTIONS_KEY": site.keys.default}

    def operations(self) -> list[str]:
        """The long-running operations that have not ended."""
        documents = (document for _, document in self.store.children("/operations"))
        return [document["name"] for document in documents if document["status"] == "InProgress"]

    async def _publish(self, topic_id: str, events: list[dict[str, Any]]) -> None:
        await self.eventgrid.publish(topic_id, events)

    def _kill_worker(self, origin: str) -> None:
        self.sites.get(origin).kill_worker()

    def _message_visible(self, account: str, queue: str) -> None:
        for app in self.sites.apps.values():
            app.nudge(account, queue)


def _secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()
