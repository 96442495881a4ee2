"""Brings into Azure what the service needs to run. What is there with the same content stays as it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from tidegate.bootstrap import Service
from tidegate.cloud.blobs import REJECTED, create_container
from tidegate.cloud.queue import WORK_QUEUE, WorkQueue
from tidegate.cloud.registrar import Registrar, read_cluster
from tidegate.config.schema import Config, FeedStorage, WorkspaceRole
from tidegate.domain.assets import datastore_name
from tidegate.errors import ConfigError
from tidegate.installation.asset_files import AssetFiles, clusters_in, pipelines_in, roles_in

ROLES: tuple[WorkspaceRole, ...] = get_args(WorkspaceRole)
DEAD_LETTERS = "tidegate-deadletter"


@dataclass(frozen=True)
class Step:
    """One thing that is there now, in a storage account or a workspace; `made` says if only since now."""

    place: str
    what: str
    made: bool


class Deployment:
    """Its steps in order; each may be repeated, and each says what it found."""

    def __init__(self, service: Service, assets: AssetFiles | None = None) -> None:
        self._service = service
        self._assets = assets or AssetFiles()

    def run(self, roles: Sequence[WorkspaceRole] = ROLES) -> Iterator[Step]:
        """ConfigError before anything is made, where tidegate.yml names what is not there."""
        config = self._service.config()
        wanted = [role for role in roles if role in roles_in(config)]
        for role in wanted:
            for name in pipelines_in(config, role):
                self._assets.pipeline(name)
        yield from self._storage([feed.storage for role in wanted for feed in config.feeds_in(role).values()])
        for role in wanted:
            yield from self._workspace(role, config)

    def _storage(self, feeds: Sequence[FeedStorage]) -> Iterator[Step]:
        account, credential = self._service.settings.storage_account, self._service.credential
        poison = WorkQueue(account=account, credential=credential, name=f"{WORK_QUEUE}-poison")
        made: list[tuple[str, Callable[[], bool]]] = [
            (f"queue {WORK_QUEUE}", self._service.queue.create),
            (f"queue {WORK_QUEUE}-poison", poison.create),
            ("tables of the ledger", self._service.ledger.create),
            (f"container {REJECTED}", self._service.rejected.create),
            (f"container {DEAD_LETTERS}", lambda: create_container(account, DEAD_LETTERS, credential)),
        ]
        for what, create in made:
            yield Step(account, what, create())
        for storage in dict.fromkeys((feed.account, feed.container) for feed in feeds):
            yield Step(storage[0], f"container {storage[1]}", create_container(*storage, credential))

    def _workspace(self, role: WorkspaceRole, config: Config) -> Iterator[Step]:
        workspace = self._service.workspaces[role]
        place, registrar = workspace.config.name, Registrar(workspace.client)
        for storage in dict.fromkeys(feed.storage for feed in config.feeds_in(role).values()):
            name = datastore_name(storage)
            made = registrar.datastore(name, storage.account, storage.container)
            yield Step(place, f"datastore {name}", made)
        for name in clusters_in(config, role):
            yield Step(place, self._cluster(registrar, name), made=False)
        for file in self._assets.environments():
            found = registrar.environment(file, self._assets.content_of_environment(file))
            yield Step(place, f"environment {found.name}:{found.version}", found.made)
        for name in pipelines_in(config, role):
            found = registrar.component(self._assets.pipeline(name), self._assets.content(name))
            yield Step(place, f"component {found.name}:{found.version}", found.made)

    def _cluster(self, registrar: Registrar, name: str) -> str:
        """Clusters are made when a job first needs them; here it is seen that they can be."""
        if registrar.has_compute(name):
            return f"compute {name}"
        file = self._assets.compute(name)
        if file is None:
            missing = self._assets.root / "compute" / f"{name}.yml"
            raise ConfigError(f"compute {name}: the workspace has none, and there is no {missing} to make it")
        if read_cluster(file).name != name:
            raise ConfigError(f"compute {name}: {file} has another name; give it the name of its file")
        return f"compute {name} (will be made at the first launch)"
