"""The components of one Tidepool. They are all constructed here and in the foundation."""

import sys
from functools import partial
from pathlib import Path

from starlette.responses import Response

from tidepool.access.principals import Principal
from tidepool.arm.deployments import Deployments
from tidepool.arm.operations import Operations
from tidepool.arm.requests import Routes
from tidepool.arm.role_assignments import RoleAssignmentRoutes
from tidepool.arm.router import Router
from tidepool.arm.snapshot_runs import SnapshotRuns
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
from tidepool.azureml.run_history import Runs
from tidepool.azureml.run_pages import RunPages
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
from tidepool.events.resources import EventResources
from tidepool.foundation import Foundation
from tidepool.functions.site_resources import SiteRoutes
from tidepool.jobs.jobs import Jobs
from tidepool.jobs.python_environments import SHARED
from tidepool.jobs.schedule_runs import ScheduleRuns
from tidepool.jobs.schedules import Schedules
from tidepool.storage.account_resources import StorageAccountRoutes
from tidepool.storage.container_resources import ContainerRoutes
from tidepool.store import Document
from tidepool.tracking.tracking import Tracking


class Composition(Foundation):
    """All components of one supervisor, as attributes."""

    def __init__(self, data_dir: Path, seed: int, environments: str = SHARED) -> None:
        super().__init__(data_dir, seed)
        self._environments = environments
        self._add_azureml()
        self._add_control_plane()
        self._mount()

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
        secret = self.identity.secret_for("pages of runs")
        self.run_pages = RunPages(store=store, runs=self.runs, blobs=blobs, secret=secret)
        self.tracking = Tracking(
            store=store,
            blobs=blobs,
            identity=self.identity,
            runs=self.runs,
            catalog=self._catalog,
            forks=self.forks,
            data_dir=self.data_dir,
        )
        self.jobs = Jobs(
            store=store,
            blobs=blobs,
            scheduler=scheduler,
            applications=self.identity.applications,
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
            environments=self.jobs.environments,
            forks=self.forks,
            environment=self.environment.variables,
        )

    def _add_control_plane(self) -> None:
        store, blobs = self.store, self.blobs
        self.operations = Operations(store=store, scheduler=self.scheduler)
        self.default_roles = DefaultRoles(store=store, identity=self.identity)
        self._datastores = Datastores(store=store, scheduler=self.scheduler, accounts=self.accounts)
        self.registries = Registries(
            store=store,
            blobs=blobs,
            accounts=self.accounts,
            assets=self._catalog.kinds,
            operations=self.operations,
        )
        self.workspaces = WorkspaceCreation(
            store=store, blobs=blobs, datastores=self._datastores, default_roles=self.default_roles
        )
        self.router = Router(
            store=store,
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
        references, default_roles = self._references, self.default_roles
        computes = Computes(
            store=store,
            scheduler=scheduler,
            operations=operations,
            default_roles=default_roles,
            quota=lambda family, tier: self.faults.value("quota", "limit", {"family": family, "tier": tier}),
        )
        submissions = Submissions(
            store=store,
            scheduler=scheduler,
            references=references,
            runs=self.runs,
            start=self.jobs.submit,
            cancel=self.jobs.cancel,
            page_of=lambda workspace, run: self.environment.page(self.run_pages.path(workspace, run)),
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
            runs=self.runs,
        )
        routes = {
            **operations.routes(),
            **StoredResources(store).routes(),
            **RoleAssignmentRoutes(self.identity).routes(),
            **StorageAccountRoutes(store=store, accounts=self.accounts, storage=self.storage).routes(),
            **ContainerRoutes(store=store, blobs=self.blobs, storage=self.storage).routes(),
            **SiteRoutes(store=store, sites=self.sites).routes(),
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

        def is_emulated(type_: str, method: str) -> bool:
            return (type_.lower(), method) in self.router.routes

        store, scheduler, operations = self.store, self.scheduler, self.operations
        deployments = Deployments(
            store=store, scheduler=scheduler, operations=operations, send=send, is_emulated=is_emulated
        )
        self.snapshots = SnapshotRuns(
            store=store, scheduler=scheduler, operations=operations, send=send, is_emulated=is_emulated
        )
        subscriptions = Subscriptions(store=store, identity=self.identity, kinds=others, send=send)
        return {**deployments.routes(), **subscriptions.routes()}

    def _mount(self) -> None:
        self.gateway.mount(
            r"(management\.azure\.com|cert-[^/]+\.experiments\.azureml\.net)/", self.router.app
        )
        self.gateway.mount(r"[^/]+\.inference\.ml\.azure\.com/jobs", self.batch.app)
        self.gateway.mount(r"[^/]+\.inference\.ml\.azure\.com/", self.online.scoring.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/mferp/", self.batch.jobs_app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/mlflow/", self.tracking.app)
        self.gateway.mount(r"[^/]+\.api\.azureml\.ms/", self.data_plane.app)
