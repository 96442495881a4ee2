"""The components that know nothing of Azure ML: access, storage, events and functions."""

from collections.abc import Iterator
from pathlib import Path

from tidepool import default_resources
from tidepool.access.applications import SignIn
from tidepool.access.graph import Graph
from tidepool.access.identity import Identity, read_or_create_secret
from tidepool.access.managed_identity import ManagedIdentity
from tidepool.arm.snapshot_runs import template_outputs
from tidepool.events.eventgrid import EventGrid
from tidepool.events.subscribed_apps import SubscribedApps
from tidepool.faults import Faults
from tidepool.forking.processes import ForkedProcesses
from tidepool.functions.keys import FunctionKeys
from tidepool.functions.sites import Sites
from tidepool.gateway import Gateway
from tidepool.mailbox import Mailbox
from tidepool.network import Authority, Proxy
from tidepool.program_environment import ProgramEnvironment
from tidepool.scheduler import Scheduler
from tidepool.storage.accounts import Accounts
from tidepool.storage.authorization import StorageAuthorization
from tidepool.storage.azurite import Azurite
from tidepool.storage.azurite_client import AzuriteClient
from tidepool.storage.blobs import Blobs
from tidepool.storage.copies import Copies
from tidepool.storage.gateway import StorageGateway
from tidepool.storage.queue_watch import QueueWatch
from tidepool.store import Document, Store


class Foundation:
    """The components on which those of Azure ML and the control plane are built, as attributes."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        secret = read_or_create_secret(data_dir / "secret")
        self.store = Store(data_dir / "store.sqlite")
        self.scheduler = Scheduler()
        self.forks = ForkedProcesses()
        # The webhook of the default app and the custom topics have the same key.
        self.function_keys = FunctionKeys(self.store, default_resources.DEFAULT_SITE)
        self.faults = Faults(seed)
        self.identity = Identity(store=self.store, secret=secret)
        self.managed_identity = ManagedIdentity(self.identity)
        self.sign_in = SignIn(applications=self.identity.applications, issue=self.identity.issue)
        self.graph = Graph(identity=self.identity, resources=self._resources)
        self.accounts = Accounts(store=self.store, secret=secret)
        self.authority = Authority(data_dir / "ca")
        self.mailbox = Mailbox(store=self.store)
        self.gateway = Gateway(
            faults=self.faults, kill_worker=lambda origin: self.sites.get(origin).kill_worker()
        )
        self.proxy = Proxy(gateway=self.gateway, context=self.authority.context())
        self.environment = ProgramEnvironment(
            authority=self.authority,
            identity=self.identity,
            managed_identity=self.managed_identity,
            keys=self.function_keys,
            default_app=lambda: self.sites.default,
            outputs=lambda: template_outputs(self.store),
        )
        self._add_storage()
        self._add_events()
        self._mount_hosts()

    def _add_storage(self) -> None:
        self.queues = QueueWatch(store=self.store, scheduler=self.scheduler, visible=self._message_visible)
        self.azurite = Azurite(
            data_dir=self.data_dir / "azurite", log_file=self.logs / "azurite.log", authority=self.authority
        )
        self.azurite_client = AzuriteClient(azurite=self.azurite, authority=self.authority.authority)
        self.storage = StorageGateway(
            client=self.azurite_client,
            queues=self.queues,
            authorization=StorageAuthorization(identity=self.identity, store=self.store),
            copies=Copies(faults=self.faults, scheduler=self.scheduler),
            faults=self.faults,
            # Event Grid is constructed later, because it needs the storage first.
            publish=lambda topic, events: self.eventgrid.publish(topic, events),  # noqa: PLW0108
            sequence=lambda: self.store.next("sequencer"),
        )
        self.blobs = Blobs(storage=self.storage, accounts=self.accounts)

    def _add_events(self) -> None:
        self.sites = Sites(
            store=self.store,
            scheduler=self.scheduler,
            proxy=self.proxy,
            storage=self.storage,
            environment=self.environment.variables,
            connection=self.environment.connection,
            principal=self.identity.principal,
        )
        self.eventgrid = EventGrid(
            store=self.store,
            scheduler=self.scheduler,
            blobs=self.blobs,
            storage=self.storage,
            faults=self.faults,
            identity=self.identity,
            apps=self.sites.apps,
            topic_key=self.function_keys.event_grid,
            seed=self.seed,
        )
        self.subscribed_apps = SubscribedApps(store=self.store, sites=self.sites, eventgrid=self.eventgrid)

    def _mount_hosts(self) -> None:
        self.gateway.mount(r"[^/]+\.(blob|queue|table)\.core\.windows\.net/", self.storage.app)
        self.gateway.mount(r"[^/]+\.eventgrid\.azure\.net/", self.eventgrid.app)
        webhooks = (default_resources.SLACK_HOST, default_resources.DISCORD_HOST)
        for host in (default_resources.MAILBOX_HOST, *webhooks, r"[^/]+\.logic\.azure\.com"):
            self.gateway.mount(rf"{host}/", self.mailbox.app)
        self.gateway.mount(r"graph\.microsoft\.com/", self.graph.app)
        self.gateway.mount(r"login\.microsoftonline\.com/", self.sign_in.app)

    def _resources(self) -> Iterator[Document]:
        return (
            document for _, document in self.store.below(f"/subscriptions/{default_resources.SUBSCRIPTION}")
        )

    def _message_visible(self, account: str, queue: str) -> None:
        for app in self.sites.apps.values():
            app.nudge(account, queue)
