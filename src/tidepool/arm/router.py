"""The control plane, `management.azure.com`: who may do what to which resource, and which part answers."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.access.role_assignments import RoleAssignments
from tidepool.arm.body_checks import check_shapes
from tidepool.arm.operations import Operations
from tidepool.arm.requests import MANAGEMENT, ML, ArmPath, Call, Routes, parse, read_json
from tidepool.azureml.asset_kinds import KINDS
from tidepool.azureml.asset_routes import AssetRoutes
from tidepool.azureml.assets import Assets
from tidepool.azureml.computes import Computes
from tidepool.azureml.data_plane import DataPlane
from tidepool.azureml.datastores import Datastores, default_containers
from tidepool.azureml.default_roles import Newcomers
from tidepool.azureml.locations import BlobLocation, locate
from tidepool.azureml.model_events import ModelEvents
from tidepool.azureml.references import References
from tidepool.azureml.registries import DEFAULT as REGISTRY
from tidepool.azureml.registries import Registries, in_registry
from tidepool.azureml.run_history import Runs
from tidepool.azureml.schedules import Schedules
from tidepool.azureml.submissions import Runner, Submissions
from tidepool.azureml.uploads import Uploads
from tidepool.azureml.workspaces import (
    ENDPOINTS,
    Estate,
    create_storage_account,
    create_workspace,
    default_account,
    workspace,
)
from tidepool.default_resources import STORAGE_ACCOUNT, SUBSCRIPTION, WORKSPACES, workspace_id
from tidepool.endpoints.online import Online
from tidepool.errors import AzureError, not_emulated
from tidepool.events.eventgrid import EventGrid
from tidepool.events.resources import EventResources
from tidepool.scheduler import Scheduler
from tidepool.storage.accounts import Accounts
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

# The registry clients of the SDK put this before the id of the resource.
_FRONT_END = "/mferp/managementfrontend"


class Resources:
    """All resources of this Tidepool. `app` answers ARM's requests; the methods are for its other parts."""

    def __init__(  # noqa: PLR0913  # the whole control plane is put together here
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        identity: Identity,
        blobs: Blobs,
        accounts: Accounts,
        eventgrid: EventGrid,
        jobs: Runner,
        runs: Runs,
        online: Online,
    ) -> None:
        self._store = store
        self._identity = identity
        self._blobs = blobs
        self._references = References(store)
        events = ModelEvents(eventgrid=eventgrid, scheduler=scheduler)
        parts: dict[str, Any] = {"store": store, "scheduler": scheduler}
        given: dict[str, Any] = {
            "references": self._references,
            "created": events.announce,
            "used_by": online.records.user_of_model,
        }
        self._assets = {one.type: Assets(one, **given, **parts) for one in KINDS}
        self._datastores = Datastores(accounts=accounts, **parts)
        self._submissions = Submissions(references=self._references, runs=runs, runner=jobs, **parts)
        self._registries = Registries(
            store=store, blobs=blobs, accounts=accounts, references=self._references, assets=self._assets
        )
        data_plane = DataPlane(
            store=store, identity=identity, blobs=blobs, runs=runs, registries=self._registries
        )
        self.data_plane = data_plane.app
        operations = Operations(**parts)
        self._newcomers = Newcomers(store=store, identity=identity)
        self._routes: Routes = {
            **Estate(store).routes(),
            **operations.routes(),
            **self._datastores.routes(),
            **Computes(operations=operations, newcomers=self._newcomers, **parts).routes(),
            **self._submissions.routes(),
            **Schedules(references=self._references, **parts).routes(),
            **Uploads(store=store, blobs=blobs).routes(),
            **self._registries.routes(),
            **RoleAssignments(identity).routes(),
            **EventResources(store=store, eventgrid=eventgrid).routes(),
            **online.routes(
                operations=operations,
                references=self._references,
                events=events,
                newcomers=self._newcomers,
            ),
        }
        for assets in self._assets.values():
            self._routes |= AssetRoutes(assets).routes("workspaces") | AssetRoutes(assets).routes(
                "registries"
            )

    @property
    def jobs(self) -> Runner:
        """The part that runs jobs; it may be set after construction."""
        return self._submissions.runner

    @jobs.setter
    def jobs(self, jobs: Runner) -> None:
        self._submissions.runner = jobs

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/metadata/endpoints":
            return JSONResponse([ENDPOINTS])
        principal = self._identity.check(request, MANAGEMENT)
        path = parse(request.url.path.removeprefix(_FRONT_END))
        path, verb = self._verb(request.method, path)
        handler = self._routes.get((path.kind, verb))
        if handler is None:
            raise not_emulated(request.method, str(request.url))
        self._check_owner(path)
        action = in_registry(path, verb) or path.action(request.method, verb if verb.islower() else "")
        self._identity.authorize(
            principal, action, path.scope if path.provider == "Microsoft.Authorization" else path.text
        )
        body = await read_json(request) if request.method != "GET" else {}
        check_shapes(body)
        host = f"https://{request.url.hostname}"
        return await handler(
            Call(path=path, principal=principal, query=dict(request.query_params), body=body, host=host)
        )

    def _verb(self, method: str, path: ArmPath) -> tuple[ArmPath, str]:
        """What is asked: LIST for a collection, the action's own name for `POST {resource}/{action}`."""
        if not path.is_collection:
            return path, method
        if method == "POST":
            head, _, action = path.text.rpartition("/")
            return parse(head), action.lower()
        return path, "LIST" if method == "GET" else f"{method} collection"

    def _check_owner(self, path: ArmPath) -> None:
        """The subscription, and the workspace, that a request is about must exist."""
        subscription = path.text.split("/")[2:3]
        if subscription and subscription[0].lower() != SUBSCRIPTION:
            raise AzureError(
                404, "SubscriptionNotFound", f"The subscription '{subscription[0]}' could not be found."
            )
        if path.provider.lower() == ML.lower() and path.types[0].lower() == "workspaces" and path.names:
            workspace(self._store, path.root)

    async def create_workspace(self, name: str, storage_account: str) -> Document:
        """Make a workspace with its datastores and their containers, or find it."""
        known = self._store.get(workspace_id(name)) is not None
        document = create_workspace(self._store, name, storage_account)
        if not known:  # roles that were taken away stay so
            self._newcomers.works(document)
        self._datastores.create_defaults(document["id"])
        for container in default_containers(self._store, document["id"]).values():
            await self._blobs.ensure_container(default_account(self._store, document["id"]), container)
        return document

    async def create_estate(self) -> None:
        """Everything that a Tidepool starts with: workspaces, the storage account, a registry."""
        create_storage_account(self._store, STORAGE_ACCOUNT)
        for name, account in WORKSPACES.items():
            await self.create_workspace(name, account)
        self._registries.create(REGISTRY)

    def create_storage_account(self, name: str) -> Document:
        return create_storage_account(self._store, name)

    def asset(self, workspace_id: str, asset_kind: str, name: str, version: str) -> Document | None:
        """A version as a resource; `asset_kind` as in ARM: data, models, codes, environments, components."""
        return self._assets[asset_kind].get(workspace_id, name, version)

    def latest(self, workspace_id: str, asset_kind: str, name: str) -> Document | None:
        return self._assets[asset_kind].latest(workspace_id, name)

    def named(self, workspace_id: str, text: str) -> Document | None:
        """The resource that an id or a URI names, or None: of none, or of one that is not there."""
        reference = self._references.read(workspace_id, text)
        return self._references.resolve(reference) if reference else None

    def resolve(self, workspace_id: str, uri_or_asset_id: str) -> BlobLocation:
        """Where the bytes of a URI or an asset id are; AzureError 400 where there is no such place."""
        return locate(self._store, workspace_id, uri_or_asset_id)

    async def register_data(
        self, workspace_id: str, name: str, version: str | None, properties: Document
    ) -> Document:
        """Register what a job wrote; without a version it gets the next number."""
        return await self._register("data", workspace_id, name, version, properties)

    async def register_model(
        self, workspace_id: str, name: str, version: str | None, properties: Document
    ) -> Document:
        """Register a model that a job wrote; raises ModelRegistered."""
        return await self._register("models", workspace_id, name, version, properties)

    async def _register(
        self,
        asset_kind: str,
        workspace_id: str,
        name: str,
        version: str | None,
        properties: Mapping[str, Any],
    ) -> Document:
        assets = self._assets[asset_kind]
        container = assets.container(workspace_id, name)
        number = version or (container["properties"]["nextVersion"] if container else "1")
        document, _ = await assets.put(workspace_id, name, number, dict(properties), by="compute")
        return document
