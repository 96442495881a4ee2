"""Connections of a workspace to other services. Secrets are returned by `listsecrets` only."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.errors import refused_property
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

_SECRETS = "/connectionSecrets"
# authType -> the names of the credentials that it needs
_CREDENTIALS: dict[str, tuple[str, ...]] = {
    "AAD": (),
    "AccessKey": ("accessKeyId", "secretAccessKey"),
    "AccountKey": ("key",),
    "ApiKey": ("key",),
    "CustomKeys": ("keys",),
    "ManagedIdentity": ("clientId", "resourceId"),
    "None": (),
    "OAuth2": (),
    "PAT": ("pat",),
    "SAS": ("sas",),
    "ServicePrincipal": ("clientId", "clientSecret", "tenantId"),
    "UsernamePassword": ("username",),
}
_KEPT = (
    "category",
    "target",
    "authType",
    "metadata",
    "expiryTime",
    "isSharedToAll",
    "sharedUserList",
    "value",
    "valueFormat",
    "error",
    "peRequirement",
    "peStatus",
    "useWorkspaceManagedIdentity",
)


class Connections:
    """The routes of connections. No part of Tidepool uses a connection: jobs read them with the SDK."""

    def __init__(self, *, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    def routes(self) -> Routes:
        connections = kind("workspaces", "connections")
        return {
            (connections, "LIST"): self._list,
            (connections, "GET"): self._get,
            (connections, "PUT"): self._put,
            (connections, "PATCH"): self._patch,
            (connections, "DELETE"): self._delete,
            (connections, "listsecrets"): self._secrets,
        }

    async def _list(self, call: Call) -> Response:
        items = [item for _, item in self._store.children(call.path.text)]
        for name in ("category", "target"):
            if value := call.query.get(name):
                items = [item for item in items if str(item["properties"].get(name)).lower() == value.lower()]
        return listed(items, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call))

    async def _put(self, call: Call) -> Response:
        return self._write(call, call.properties)

    async def _patch(self, call: Call) -> Response:
        before = self._existing(call)["properties"]
        credentials = (self._store.get(_secret_path(call)) or {}).get("credentials")
        return self._write(call, {**before, "credentials": credentials, **call.properties})

    async def _delete(self, call: Call) -> Response:
        if not self._store.delete(call.path.text):
            return Response(status_code=204)
        self._store.delete(_secret_path(call))
        return Response(status_code=200)

    async def _secrets(self, call: Call) -> Response:
        document = self._existing(call)
        secrets = (self._store.get(_secret_path(call)) or {}).get("credentials")
        return JSONResponse({**document, "properties": {**document["properties"], "credentials": secrets}})

    def _write(self, call: Call, properties: Document) -> Response:
        credentials = _checked(properties)
        existing = self._store.get(call.path.text)
        kept = {key: properties[key] for key in _KEPT if properties.get(key) is not None}
        shown = credentials if properties["authType"] == "ManagedIdentity" else None
        document = resource(call.path.text, {"metadata": {}, **kept, "credentials": shown})
        document = with_system_data(
            {**document, "systemData": (existing or {}).get("systemData", {})},
            self._scheduler.now(),
            call.principal.name,
        )
        self._store.put(call.path.text, document)
        self._store.put(_secret_path(call), {"credentials": credentials})
        return JSONResponse(document)

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise missing("connection", call.path.names[1], root=call.path.root, status=404)
        return document


def _checked(properties: Document) -> Document | None:
    """Return the credentials of a requested connection. Raise UserError 400 if a value is missing."""
    if not properties.get("category"):
        raise UserError(400, "A connection needs a value for 'category'.", "BadArgument")
    auth_type = properties.get("authType")
    if auth_type not in _CREDENTIALS:
        raise refused_property("authType", auth_type, f"it has {', '.join(_CREDENTIALS)}")
    credentials: Document | None = properties.get("credentials")
    for name in _CREDENTIALS[auth_type]:
        if not (credentials or {}).get(name):
            raise UserError(
                400, f"A connection with the authType '{auth_type}' needs credentials.{name}.", "BadArgument"
            )
    return credentials


def _secret_path(call: Call) -> str:
    return f"{_SECRETS}/{call.path.text.strip('/').replace('/', '|')}"
