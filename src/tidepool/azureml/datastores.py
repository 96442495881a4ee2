"""Datastores of a workspace, and their secrets. Two default datastores exist, and users may create others."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, name_in, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.datastore_credentials import SECRETS, forget_secret, keep_secret, secret_of, shown
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.workspaces import ARTIFACTS, default_account, workspace
from tidepool.default_resources import SUBSCRIPTION
from tidepool.scheduler import Scheduler
from tidepool.storage.accounts import Accounts
from tidepool.store import Document, Store

_REQUIRED = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
}


def default_containers(store: Store, workspace_id: str) -> dict[str, str]:
    """Return the containers of the two default datastores, by datastore."""
    guid = workspace(store, workspace_id)["properties"]["workspaceId"]
    return {"workspaceblobstore": f"azureml-blobstore-{guid}", "workspaceartifactstore": ARTIFACTS}


class Datastores:
    """The routes of datastores. A datastore without credentials is read with the identity of the caller."""

    def __init__(self, *, store: Store, scheduler: Scheduler, accounts: Accounts) -> None:
        self._store = store
        self._scheduler = scheduler
        self._accounts = accounts

    def routes(self) -> Routes:
        datastores = kind("workspaces", "datastores")
        return {
            (datastores, "LIST"): self._list,
            (datastores, "GET"): self._get,
            (datastores, "PUT"): self._put,
            (datastores, "DELETE"): self._delete,
            (datastores, "listsecrets"): self._secrets,
        }

    def create_defaults(self, workspace_id: str) -> None:
        account = default_account(self._store, workspace_id)
        properties = workspace(self._store, workspace_id)["properties"]
        by_identity = str(properties.get("systemDatastoresAuthMode")).lower() == "identity"
        for name, container in default_containers(self._store, workspace_id).items():
            properties = {
                "datastoreType": "AzureBlob",
                "accountName": account,
                "containerName": container,
                "credentials": {"credentialsType": "None" if by_identity else "AccountKey"},
            }
            self._save(
                f"{workspace_id}/datastores/{name}",
                properties,
                default=name == "workspaceblobstore",
                by="system",
            )

    async def _list(self, call: Call) -> Response:
        documents = [document for _, document in self._store.children(f"{call.path.root}/datastores")]
        if call.query.get("isDefault", "").lower() == "true":
            documents = [document for document in documents if document["properties"]["isDefault"]]
        return listed(documents, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call))

    async def _put(self, call: Call) -> Response:
        existing = self._store.get(call.path.text)
        default = bool((existing or {}).get("properties", {}).get("isDefault"))
        document = self._save(
            call.path.text,
            self._checked(call.path.text, call.properties),
            default=default,
            by=call.principal.name,
        )
        return JSONResponse(document, status_code=200 if existing else 201)

    async def _delete(self, call: Call) -> Response:
        document = self._existing(call)
        if call.path.names[1].lower() in default_containers(self._store, call.path.root):
            raise UserError(
                400,
                f"The datastore '{document['name']}' belongs to the workspace and cannot be deleted.",
                "BadArgument",
            )
        self._store.delete(call.path.text)
        forget_secret(self._store, call.path.text)
        return Response(status_code=200)

    async def _secrets(self, call: Call) -> Response:
        properties = self._existing(call)["properties"]
        credentials = properties["credentials"]["credentialsType"]
        if credentials not in SECRETS:
            raise UserError(
                400,
                f"The datastore '{call.path.names[1]}' has no secrets: its credentials are '{credentials}'.",
                "BadArgument",
            )
        if credentials != "AccountKey":
            return JSONResponse(secret_of(self._store, call.path.text))
        return JSONResponse(
            {"secretsType": "AccountKey", "key": self._accounts.key(properties["accountName"])}
        )

    def _save(self, path: str, properties: Document, *, default: bool, by: str) -> Document:
        full = {
            "description": None,
            "tags": {},
            "properties": {},
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": name_in(path, "resourceGroups"),
            "protocol": "https",
            "endpoint": "core.windows.net",
            "serviceDataAccessAuthIdentity": "None",
            **{key: value for key, value in properties.items() if value is not None},
            "isDefault": default,
        }
        credentials = properties.get("credentials") or {}
        full["credentials"] = shown(credentials)
        keep_secret(self._store, path, credentials)
        document = with_system_data(resource(path, full), self._scheduler.now(), by)
        self._store.put(path, document)
        return document

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise missing("datastore", call.path.names[1], root=call.path.root, status=404)
        return document

    def _checked(self, path: str, properties: Document) -> Document:
        datastore_type = properties["datastoreType"]
        for name in _REQUIRED[datastore_type]:
            if not properties.get(name):
                raise UserError(
                    400, f"A datastore of type {datastore_type} needs a value for '{name}'.", "BadArgument"
                )
        credentials = properties.get("credentials") or {}
        secrets = credentials.get("secrets") or {}
        self._check_secret(path, credentials, secrets)
        account = properties["accountName"]
        keys = [self._accounts.key(account, number) for number in (1, 2)]
        if secrets.get("key") and secrets["key"] not in keys:
            raise UserError(
                400,
                f"The key in the credentials of the datastore is not a key of the account '{account}'. "
                "Azure accepts such a datastore, and then each job that uses it fails.",
                "BadArgument",
            )
        return properties

    def _check_secret(self, path: str, credentials: Document, secrets: Document) -> None:
        """Raise UserError 400 if credentials lack a secret or the name of a service principal."""
        kind = credentials.get("credentialsType")
        if kind not in ("Sas", "ServicePrincipal"):
            return
        known = secret_of(self._store, path) or {}
        needed = [] if known.get("secretsType") == kind else [SECRETS[kind]]
        names = ("tenantId", "clientId") if kind == "ServicePrincipal" else ()
        missing_names = [name for name in needed if not secrets.get(name)]
        missing_names += [name for name in names if not credentials.get(name)]
        if missing_names:
            raise UserError(
                400,
                f"The credentials of the type {kind} need a value for {', '.join(missing_names)}.",
                "BadArgument",
            )
