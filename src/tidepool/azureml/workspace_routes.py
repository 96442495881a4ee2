"""The routes of workspaces: create, read, change and delete them."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.operations import Operations
from tidepool.arm.requests import Call, Routes, kind, listed
from tidepool.arm.resource_groups import WORKSPACES, name_taken, resources_in
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.ml_errors import UserError
from tidepool.azureml.run_history import Runs
from tidepool.azureml.run_states import FINAL
from tidepool.azureml.workspace_creation import WorkspaceCreation
from tidepool.azureml.workspace_requests import kept
from tidepool.azureml.workspaces import workspace
from tidepool.errors import AzureError
from tidepool.store import Document, Store

_DELETED = "/deletedWorkspaces"
_CREATION_S = 0.05


class WorkspaceRoutes:
    """The routes of workspaces. A workspace with live jobs or online endpoints cannot be deleted."""

    def __init__(
        self,
        *,
        store: Store,
        operations: Operations,
        creation: WorkspaceCreation,
        default_roles: DefaultRoles,
        runs: Runs,
    ) -> None:
        self._store = store
        self._operations = operations
        self._creation = creation
        self._default_roles = default_roles
        self._runs = runs

    def routes(self) -> Routes:
        workspaces = kind("workspaces")
        return {
            (workspaces, "GET"): self._get,
            (workspaces, "LIST"): self._list,
            (workspaces, "PUT"): self._put,
            (workspaces, "PATCH"): self._patch,
            (workspaces, "DELETE"): self._delete,
        }

    async def _get(self, call: Call) -> Response:
        return JSONResponse(workspace(self._store, call.path.text))

    async def _list(self, call: Call) -> Response:
        documents = list(resources_in(self._store, WORKSPACES, call.path.scope))
        return listed(documents, call.query, call.url)

    async def _put(self, call: Call) -> Response:
        name = call.path.names[0]
        if self._store.get(f"{_DELETED}/{name}"):
            raise UserError(
                409,
                f"The workspace '{name}' was deleted, and Azure keeps its name for 14 days. "
                "Tidepool keeps it until its state is deleted (`tidepool reset`). Use another name.",
                "Conflict",
            )
        existing = self._store.get(call.path.text)
        if name_taken(self._store, call.path.text):
            raise AzureError(
                501,
                "NotEmulated",
                f"Another resource group has a workspace '{name}'. Tidepool's workspaces need unique names.",
            )
        properties = kept(call.properties)
        self._check_storage(properties, existing)
        if not existing and not call.body.get("location"):
            raise AzureError(
                400, "LocationRequired", "The location property is required for this definition."
            )
        return await self._write(call, properties, created=existing is None)

    async def _patch(self, call: Call) -> Response:
        existing = workspace(self._store, call.path.text)
        properties = kept(call.properties)
        self._check_storage(properties, existing)
        return await self._write(call, properties, created=False)

    async def _write(self, call: Call, properties: Document, *, created: bool) -> Response:
        outer = {key: call.body.get(key) for key in ("identity", "location", "tags")}
        document = await self._creation.write(call.path.text, properties, **outer)

        async def finish() -> None:
            return None

        headers = self._operations.begin(_CREATION_S, finish, f"workspace {document['name']}")
        return JSONResponse(document, status_code=201 if created else 200, headers=headers)

    async def _delete(self, call: Call) -> Response:
        """Delete a workspace and all its records. Its storage account and its files stay, as in Azure."""
        document = workspace(self._store, call.path.text)
        if running := self._in_use(document["id"]):
            raise UserError(
                409,
                f"The workspace '{document['name']}' cannot be deleted before these are ended or deleted: "
                f"{', '.join(running)}.",
                "Conflict",
            )

        async def finish() -> None:
            self._default_roles.revoke(document)
            for root in (document["id"], f"/history{document['id']}"):
                for path, item in list(self._store.below(root)):
                    self._default_roles.revoke(item)
                    self._store.delete(path)
            self._store.delete(document["id"])
            self._store.put(f"{_DELETED}/{document['name']}", {"id": document["id"]})

        headers = self._operations.begin(_CREATION_S, finish, f"delete workspace {document['name']}")
        return Response(status_code=202, headers=headers)

    def _check_storage(self, properties: Document, existing: Document | None) -> None:
        """Raise AzureError 400 if a new workspace has no storage account, or if its account would change."""
        account = properties.get("storageAccount")
        before = existing["properties"]["storageAccount"] if existing else None
        if before:
            if account and account.lower() != before.lower():
                raise UserError(400, "The storage account of a workspace cannot change.", "BadArgument")
            properties.pop("storageAccount", None)
            return
        if not account or not properties.get("keyVault"):
            raise UserError(
                400,
                "Missing dependent resources in workspace json: it needs a storageAccount and a keyVault.",
                "BadArgument",
            )
        for name in ("storageAccount", "keyVault", "applicationInsights", "containerRegistry"):
            other = properties.get(name)
            if other and self._store.get(other) is None:
                raise UserError(400, f"The {name} '{other}' of the workspace was not found.", "BadArgument")

    def _in_use(self, workspace_id: str) -> list[str]:
        """Return what still runs in a workspace, one line each."""
        live = [run["runId"] for run in self._runs.all(workspace_id) if run["status"] not in FINAL]
        endpoints = [item["name"] for _, item in self._store.children(f"{workspace_id}/onlineEndpoints")]
        return [f"job {name}" for name in live] + [f"endpoint {name}" for name in endpoints]
