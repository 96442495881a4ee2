"""`tidegate deploy`: creates in Azure what the service needs, and keeps what exists with the same content."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from tidegate.bootstrap import Service
from tidegate.cloud.blobs import REJECTED, create_container
from tidegate.cloud.dead_letters import DEAD_LETTERS
from tidegate.cloud.queue import POISON_QUEUE, WORK_QUEUE
from tidegate.cloud.registrar import Registrar, read_cluster
from tidegate.config.schema import Config, Feed, FeedStorage
from tidegate.config.types import WorkspaceRole
from tidegate.domain.assets import datastore_name
from tidegate.errors import ConfigError
from tidegate.installation.asset_files import (
    AssetFiles,
    clusters_in,
    installed_assets,
    pipelines_in,
    roles_in,
)
from tidegate.installation.script_pipelines import with_scripts

ROLES: tuple[WorkspaceRole, ...] = get_args(WorkspaceRole)


@dataclass(frozen=True)
class DeployStep:
    """A resource in a storage account or a workspace. `made` is true if this run created or changed it."""

    target: str
    what: str
    made: bool


class Deployment:
    """The steps of a deployment in their order. Each one can be repeated."""

    def __init__(self, service: Service, assets: AssetFiles | None = None) -> None:
        self._service = service
        self._assets = assets or installed_assets()

    def run(self, roles: Sequence[WorkspaceRole] = ROLES) -> Iterator[DeployStep]:
        """Yield each step as it is done. Raise ConfigError at the start if a pipeline has no files."""
        config = self._service.config()
        with with_scripts(self._assets, config, self._service.settings.config_file.parent) as assets:
            yield from Deployment(self._service, assets)._run(config, roles)

    def _run(self, config: Config, roles: Sequence[WorkspaceRole]) -> Iterator[DeployStep]:
        used = [role for role in roles if role in roles_in(config)]
        for role in used:
            for name in pipelines_in(config, role):
                self._assets.pipeline(name)
        yield from self._storage([feed.storage for role in used for feed in config.feeds_in(role).values()])
        for role in used:
            yield from self._workspace(role, config)
        for role in used:
            for name, feed in config.feeds_in(role).items():
                yield self._feed(name, feed)

    def _storage(self, feeds: Sequence[FeedStorage]) -> Iterator[DeployStep]:
        account, credential = self._service.settings.storage_account, self._service.credential
        undelivered = self._service.undelivered
        resources: list[tuple[str, Callable[[], bool]]] = [
            (f"queue {WORK_QUEUE}", self._service.queue.create),
            (f"queue {POISON_QUEUE}", undelivered.poison_queue.create),
            ("tables of the ledger", self._service.ledger.create),
            (f"container {REJECTED}", self._service.rejected.create),
            (f"container {DEAD_LETTERS}", undelivered.dead_letters.create),
        ]
        for what, create in resources:
            yield DeployStep(account, what, create())
        for feed_account, container in dict.fromkeys((feed.account, feed.container) for feed in feeds):
            made = create_container(feed_account, container, credential)
            yield DeployStep(feed_account, f"container {container}", made)

    def _feed(self, name: str, feed: Feed) -> DeployStep:
        """Record what was there before the feed was installed, and say which jobs start."""
        made = self._service.ledger.feed(name) is None
        self._service.feed_records.first_seen(name)
        starts = self._service.dry_runs.feed(name).starts
        return DeployStep(feed.storage.account, f"feed {name}: {starts}", made)

    def _workspace(self, role: WorkspaceRole, config: Config) -> Iterator[DeployStep]:
        workspace = self._service.workspaces[role]
        target, registrar = workspace.config.name, Registrar(workspace.client)
        for storage in dict.fromkeys(feed.storage for feed in config.feeds_in(role).values()):
            name = datastore_name(storage)
            made = registrar.datastore(name, storage.account, storage.container)
            yield DeployStep(target, f"datastore {name}", made)
        for name in clusters_in(config, role):
            yield DeployStep(target, self._cluster(registrar, name), made=False)
        for file in self._assets.environments():
            registered = registrar.environment(file, self._assets.content_of_environment(file))
            what = f"environment {registered.name}:{registered.version}"
            yield DeployStep(target, what, registered.made)
        for file in self._assets.steps():
            registered = registrar.component(file, self._assets.content_of_step(file))
            yield DeployStep(target, f"component {registered.name}:{registered.version}", registered.made)
        for name in pipelines_in(config, role):
            registered = registrar.component(self._assets.pipeline(name), self._assets.content(name))
            what = f"component {registered.name}:{registered.version}"
            yield DeployStep(target, what, registered.made)

    def _cluster(self, registrar: Registrar, name: str) -> str:
        """Return the text of a cluster's step.

        Jobs create clusters, so this step only checks that they can do so.
        """
        if registrar.has_compute(name):
            return f"compute {name}"
        file = self._assets.compute(name)
        if file is None:
            missing = self._assets.root / "compute" / f"{name}.yml"
            raise ConfigError(
                f"compute {name}: the workspace has none, and there is no {missing} to create it from"
            )
        if read_cluster(file).name != name:
            raise ConfigError(f"compute {name}: {file} has another name; use the name of the file")
        return f"compute {name} (the first job will create it)"
