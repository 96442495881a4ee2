"""The parts of one Tidepool, and the one place that puts them together."""

import importlib
import logging
import secrets
from pathlib import Path
from typing import Any

from tidepool import estate
from tidepool.accounts import Accounts
from tidepool.azurite import Azurite
from tidepool.azurite_client import AzuriteClient
from tidepool.faults import Faults
from tidepool.gateway import Gateway
from tidepool.identity import Identity
from tidepool.mailbox import Mailbox
from tidepool.network import Authority, Proxy
from tidepool.queue_watch import QueueWatch
from tidepool.scheduler import Scheduler
from tidepool.storage import Blobs
from tidepool.storage_gateway import StorageGateway
from tidepool.store import Store

log = logging.getLogger(__name__)


class Parts:
    """Everything inside one supervisor; the attributes are the parts. Starts nothing but itself."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        secret = _secret(data_dir / "secret")
        self.store = Store(data_dir / "store.sqlite")
        self.scheduler = Scheduler()
        self.faults = Faults(seed)
        self.identity = Identity(store=self.store, secret=secret)
        self.accounts = Accounts(store=self.store, secret=secret)
        self.authority = Authority(data_dir / "ca")
        self.mailbox = Mailbox(store=self.store)
        self.gateway = Gateway(faults=self.faults, kill_worker=self._kill_worker)
        self.proxy = Proxy(gateway=self.gateway, context=self.authority.context())
        self.functions: dict[str, Any] = {}
        self._add_storage()
        self._add_control_plane(seed)
        self._mount()

    def _add_storage(self) -> None:
        self.queues = QueueWatch(scheduler=self.scheduler)
        self.azurite = Azurite(
            data_dir=self.data_dir / "azurite", log_file=self.logs / "azurite.log", authority=self.authority
        )
        client = AzuriteClient(ports=self.azurite.ports, authority=self.authority.authority)
        self.storage = StorageGateway(
            client=client,
            queues=self.queues,
            token=lambda: self.identity.issue("https://storage.azure.com", "developer"),
            publish=self._publish,
            sequence=lambda: self.store.next("sequencer"),
        )
        self.blobs = Blobs(storage=self.storage, accounts=self.accounts)

    def _add_control_plane(self, seed: int) -> None:
        given = {"store": self.store, "scheduler": self.scheduler, "blobs": self.blobs}
        self.eventgrid = _optional(
            "eventgrid.EventGrid", faults=self.faults, identity=self.identity, seed=seed, **given
        )
        self.runs = _optional("history.Runs", eventgrid=self.eventgrid, **given)
        self.jobs: Any = None
        self.tracking: Any = None
        self.resources = _optional(
            "resources.Resources",
            identity=self.identity,
            accounts=self.accounts,
            eventgrid=self.eventgrid,
            jobs=self.jobs,
            runs=self.runs,
            **given,
        )

    def _mount(self) -> None:
        self.gateway.mount(r"[^/]+\.(blob|queue|table)\.core\.windows\.net/", self.storage.app)
        self.gateway.mount(rf"{estate.MAILBOX_HOST}/", self.mailbox.app)
        if self.resources is not None:
            self.gateway.mount(r"(management\.azure\.com|cert-[^/]+\.experiments\.azureml\.net)/", self.resources.app)
        for pattern, part in (
            (r"[^/]+\.api\.azureml\.ms/mlflow/", self.tracking),
            (r"[^/]+\.eventgrid\.azure\.net/", self.eventgrid),
        ):
            if hasattr(part, "app"):
                self.gateway.mount(pattern, part.app)
        if self.resources is not None:
            self.gateway.mount(r"[^/]+\.api\.azureml\.ms/", self.resources.data_plane)

    async def start(self) -> None:
        await self.azurite.start(self.accounts.declared())
        if self.resources is not None:
            for workspace, account in estate.WORKSPACES.items():
                await self.resources.create_workspace(workspace, account)
            self.resources.create_storage_account(estate.STORAGE_ACCOUNT)

    async def stop(self) -> None:
        await self.azurite.stop()
        self.store.close()

    async def _publish(self, topic_id: str, events: list[dict[str, Any]]) -> None:
        if self.eventgrid is not None:
            await self.eventgrid.publish(topic_id, events)

    def _kill_worker(self, origin: str) -> None:
        self.functions[origin].kill_worker()


def _optional(name: str, **arguments: Any) -> Any:
    module, _, attribute = name.partition(".")
    try:
        made = getattr(importlib.import_module(f"tidepool.{module}"), attribute)
        return made(**arguments)
    except (ImportError, AttributeError, TypeError) as error:
        log.warning("part_missing name=%s error=%s", name, error)
        return None


def _secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()
