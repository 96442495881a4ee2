"""The components of one Tidepool. They are all constructed here."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from starlette.responses import Response

from tidepool import default_resources
from tidepool.access.graph import Graph
from tidepool.access.identity import Identity, read_or_create_secret
from tidepool.access.managed_identity import ManagedIdentity
from tidepool.access.principals import Principal
from tidepool.arm.deployments import Deployments
from tidepool.arm.operations import Operations
from tidepool.arm.requests import Routes
from tidepool.arm.role_assignments import RoleAssignmentRoutes
from tidepool.arm.router import Router
from tidepool.arm.stored_resources import StoredResources
from tidepool.arm.subscriptions import Subscriptions
from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.computes import Computes
from tidepool.azureml.connections import Connections
from tidepool.azureml.data_plane import DataPlane
from tidepool.azureml.datastores import Datastores
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.model_events import ModelEvents
from tidepool.azureml.references import References
from tidepool.azureml.registries import Registries, registry_action
from tidepool.azureml.registry_imports import RegistryFiles, RegistryImports
from tidepool.azureml.run_history import FINAL, Runs
from tidepool.azureml.submissions import Submissions
from tidepool.azureml.uploads import Uploads
from tidepool.azureml.workspace_creation import WorkspaceCreation
from tidepool.azureml.workspace_routes import WorkspaceRoutes
from tidepool.azureml.workspaces import check_workspace
from tidepool.endpoints.batch_endpoints import BatchEndpoints
from tidepool.endpoints.batch_invocations import BatchInvocations
from tidepool.endpoints.batch_records import BatchRecords
from tidepool.endpoints.online import OnlineEndpoints
from tidepool.endpoints.records import EndpointRecords
from tidepool.events.eventgrid import EventGrid
from tidepool.events.resources import EventResources
from tidepool.events.subscribed_apps import SubscribedApps
from tidepool.faults import Faults
from tidepool.functions.keys import FunctionKeys
from tidepool.functions.sites import Sites
from tidepool.gateway import Gateway
from tidepool.jobs.jobs import Jobs
from tidepool.jobs.python_environments import SHARED
from tidepool.jobs.schedule_runs import ScheduleRuns
from tidepool.jobs.schedules import Schedules
from tidepool.mailbox import Mailbox
from tidepool.network import Authority, Proxy
from tidepool.program_environment import ProgramEnvironment
from tidepool.scheduler import Scheduler
from tidepool.storage.account_resources import StorageAccountRoutes
from tidepool.storage.accounts import Accounts
from tidepool.storage.authorization import StorageAuthorization
from tidepool.storage.azurite import Azurite
from tidepool.storage.azurite_client import AzuriteClient
from tidepool.storage.blobs import Blobs
from tidepool.storage.copies import Copies
from tidepool.storage.gateway import StorageGateway
from tidepool.storage.queue_watch import QueueWatch
from tidepool.store import Document, Store
from tidepool.tracking.tracking import Tracking


class Composition:
    """All components of one supervisor, as attributes."""

    def __init__(self, data_dir: Path, seed: int, environments: str = SHARED) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self._environments = environments
        secret = read_or_create_secret(data_dir / "secret")
        self.store = Store(data_dir / "store.sqlite")
        self.scheduler = Scheduler()
        # The webhook of the default app and the custom topic have the same key.
        self.function_keys = FunctionKeys(self.store, default_resources.DEFAULT_SITE)
        self.faults = Faults(seed)
        self.identity = Identity(store=self.store, secret=secret)
        self.managed_identity = ManagedIdentity(self.identity)
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
            default_app=lambda: self.sites.apps.get(default_resources.DEFAULT_SITE),
        )
        self._add_storage()
        self._add_events()
        self._add_azureml()
        self._add_control_plane()
        self._mount()

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

    def _add_azureml(self) -> None:
        store, blobs, scheduler = self.store, self.blobs, self.scheduler
        endpoint_records = EndpointRecords(store)
        self._references = References(store)
        self._model_events = ModelEvents(publish=self.eventgrid.publish, scheduler=scheduler)
        self._catalog = AssetCatalog(
            store=store,
            scheduler=scheduler,
            references=self._references,
            created=self._model_events.registered,
            used_by=endpoint_records.user_of_model,
        )
        self.runs = Runs(store=store, blobs=blobs, scheduler=scheduler, publish=self.eventgrid.publish)
        self.tracking = Tracking(
            store=store,
            blobs=blobs,
            identity=self.identity,
            runs=self.runs,
            catalog=self._catalog,
            data_dir=self.data_dir,
        )
        self.jobs = Jobs(
            store=store,
            blobs=blobs,
            scheduler=scheduler,
            runs=self.runs,
            faults=self.faults,
            tracking=self.tracking,
            catalog=self._catalog,
            folder=self.data_dir / "jobs",
            python=Path(sys.executable),
            environments=self._environments,
            environment=self.environment.variables,
        )
        self.online = OnlineEndpoints(
            store=store,
            blobs=blobs,
            records=endpoint_records,
            scheduler=scheduler,
            identity=self.identity,
            faults=self.faults,
            data_dir=self.data_dir,
            seed=self.seed,
            environment=self.environment.variables,
        )

    def _add_control_plane(self) -> None:
        store, blobs = self.store, self.blobs
        self.operations = Operations(store=store, scheduler=self.scheduler)
        self._default_roles = DefaultRoles(store=store, identity=self.identity)
        self._datastores = Datastores(store=store, scheduler=self.scheduler, accounts=self.accounts)
        self.registries = Registries(
            store=store,
            blobs=blobs,
            accounts=self.accounts,
            assets=self._catalog.kinds,
            operations=self.operations,
        )
        self.workspaces = WorkspaceCreation(
            store=store, blobs=blobs, datastores=self._datastores, default_roles=self._default_roles
        )
        self.router = Router(
            identity=self.identity,
            routes=self._routes(),
            check_parent=partial(check_workspace, store),
            action_of=registry_action,
        )
        self.data_plane = DataPlane(
            store=store, blobs=blobs, identity=self.identity, runs=self.runs, registries=self.registries
        )

    def _routes(self) -> Routes:
        store, scheduler, operations = self.store, self.scheduler, self.operations
        references, default_roles = self._references, self._default_roles
        computes = Computes(
            store=store, scheduler=scheduler, operations=operations, default_roles=default_roles
        )
        submissions = Submissions(
            store=store,
            scheduler=scheduler,
            references=references,
            runs=self.runs,
            start=self.jobs.submit,
            cancel=self.jobs.cancel,
        )
        self.schedule_runs = ScheduleRuns(store=store, scheduler=scheduler, submit=submissions.submit)
        schedules = Schedules(
            store=store,
            scheduler=scheduler,
            references=references,
            runs=self.schedule_runs,
            check=self.jobs.check,
        )
        batch_records = BatchRecords(store=store, references=references)
        self.batch = BatchInvocations(
            records=batch_records,
            identity=self.identity,
            catalog=self._catalog,
            submit=submissions.submit,
            view=submissions.view,
        )
        batch = BatchEndpoints(
            records=batch_records, scheduler=scheduler, operations=operations, references=references
        )
        imports = RegistryImports(
            files=RegistryFiles(store=store, blobs=self.blobs),
            references=references,
            assets=self._catalog.kinds,
            operations=operations,
            faults=self.faults,
        )
        online = self.online.routes(
            operations=operations,
            references=references,
            events=self._model_events,
            default_roles=default_roles,
        )
        workspaces = WorkspaceRoutes(
            store=store,
            operations=operations,
            creation=self.workspaces,
            default_roles=default_roles,
            in_use=self._in_use,
        )
        routes = {
            **operations.routes(),
            **StoredResources(store).routes(),
            **RoleAssignmentRoutes(self.identity).routes(),
            **StorageAccountRoutes(store=store, accounts=self.accounts, storage=self.storage).routes(),
            **EventResources(store=store, eventgrid=self.eventgrid).routes(),
            **workspaces.routes(),
            **Connections(store=store, scheduler=scheduler).routes(),
            **self._datastores.routes(),
            **computes.routes(),
            **submissions.routes(),
            **schedules.routes(),
            **batch.routes(),
            **Uploads(store=store, blobs=self.blobs).routes(),
            **self.registries.routes(),
            **imports.routes(),
            **self._catalog.routes(),
            **online,
        }
        return {**routes, **self._resource_manager(routes)}

    def _resource_manager(self, others: Routes) -> Routes:
        """Return the routes that send further requests through the router."""

        async def send(principal: Principal, method: str, path: str, body: Document) -> Response:
            return await self.router.send(principal, method, path, body)

        deployments = Deployments(
            store=self.store,
            scheduler=self.scheduler,
            operations=self.operations,
            send=send,
            is_emulated=lambda type_, method: (type_.lower(), method) in self.router.routes,
        )
        subscriptions = Subscriptions(store=self.store, identity=self.identity, kinds=others, send=send)
        return {**deployments.routes(), **subscriptions.routes()}

    def _resources(self) -> Iterator[Document]:
        return (
            document for _, document in self.store.below(f"/subscriptions/{default_resources.SUBSCRIPTION}")
        )

    def _in_use(self, workspace_id: str) -> list[str]:
        """Return what still runs in a workspace, one line each."""
        live = [run["runId"] for run in self.runs.all(workspace_id) if run["status"] not in FINAL]
        endpoints = [item["name"] for _, item in self.store.children(f"{workspace_id}/onlineEndpoints")]
        return [f"job {name}" for name in live] + [f"endpoint {name}" for name in endpoints]

    def _mount(self) -> None:
        self.gateway.mount(r"[^/]+\.(blob|queue|table)\.core\.windows\.net/", self.storage.app)
        self.gateway.mount(
            r"(management\.azure\.com|cert-[^/]+\.experiments\.azureml\.net)/", self.router.app
        )
        self.gateway.mount(r"[^/]+\.inference\.ml\.azure\.com/jobs", self.batch.app)
        self.gateway.mount(r"[^/]+\.inference\.ml\.azure\.com/", self.online.scoring.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/mferp/", self.batch.jobs_app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/mlflow/", self.tracking.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/", self.data_plane.app)
        self.gateway.mount(r"[^/]+\.eventgrid\.azure\.net/", self.eventgrid.app)
        self.gateway.mount(rf"{default_resources.MAILBOX_HOST}/", self.mailbox.app)
        self.gateway.mount(r"graph\.microsoft\.com/", self.graph.app)

    def _message_visible(self, account: str, queue: str) -> None:
        for app in self.sites.apps.values():
            app.nudge(account, queue)
