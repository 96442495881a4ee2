"""Registries: their discovery and their storage."""

import re
import uuid
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tidepool.access.principals import with_object_ids
from tidepool.arm.operations import Operations
from tidepool.arm.requests import ML, ArmPath, Call, Routes, kind, listed, resource
from tidepool.azureml import curated
from tidepool.azureml.assets import Assets
from tidepool.azureml.ids import registry_id
from tidepool.azureml.locations import locate
from tidepool.azureml.ml_errors import UserError
from tidepool.azureml.registry_storage import (
    blob_reference,
    existing_registry,
    registry_account,
    registry_container,
)
from tidepool.default_resources import LOCATION, RESOURCE_GROUP, SUBSCRIPTION, TENANT, storage_account_id
from tidepool.errors import AzureError, refused_property
from tidepool.storage.account_resources import create_storage_account
from tidepool.storage.accounts import Accounts
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

HOST = f"cert-{LOCATION}.experiments.azureml.net"
_WRITE = "racwdl"
_CREATION_S = 0.05
_NAME = re.compile(r"[A-Za-z0-9][\w-]{1,32}")
_KEPT = ("intellectualPropertyPublisher", "managedResourceGroupTags", "publicNetworkAccess")


class Registries:
    """The routes of registries. The routes of the assets in a registry are in other modules."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        accounts: Accounts,
        assets: Mapping[str, Assets],
        operations: Operations,
    ) -> None:
        self._operations = operations
        self._store = store
        self._blobs = blobs
        self._accounts = accounts
        self._assets = assets

    def routes(self) -> Routes:
        registries = kind("registries")
        return {
            (registries, "LIST"): self._list,
            (registries, "GET"): self._get,
            (registries, "PUT"): self._put,
            (registries, "DELETE"): self._delete,
            (kind("registries", "tempdatarefs", "versions"), "PUT"): self._upload,
            (kind("registries", "datarefs", "versions"), "POST"): self._download,
        }

    def create(self, name: str, tags: Document | None = None, identity: Document | None = None) -> Document:
        """Return a registry. If it does not exist, create it with a storage account of its own."""
        resource_id = registry_id(name)
        existing = self._store.get(resource_id)
        if existing:
            changed = {**existing, "tags": existing["tags"] if tags is None else tags}
            self._store.put(resource_id, changed)
            return changed
        account = self._accounts.hand_out()
        create_storage_account(self._store, account)
        properties = {
            "storageAccount": storage_account_id(account),
            "discoveryUrl": f"https://{LOCATION}.api.azureml.ms/registrymanagement/v1.0/registries/{name}/discovery",
            "mlFlowRegistryUri": f"azureml://{LOCATION}.api.azureml.ms/mlflow/v1.0{resource_id}",
            "publicNetworkAccess": "Enabled",
            "regionDetails": [{"location": LOCATION}],
            "provisioningState": "Succeeded",
        }
        document = resource(
            resource_id,
            properties,
            location=LOCATION,
            tags=tags or {},
            identity=with_object_ids(resource_id, identity or {"type": "SystemAssigned"}),
        )
        self._store.put(resource_id, document)
        return document

    async def _put(self, call: Call) -> Response:
        name = call.path.names[0]
        _refuse_curated(name)
        _check(name, call.body)
        is_new = self._store.get(call.path.text) is None
        document = _with_kept(self.create(name, call.body.get("tags"), call.body.get("identity")), call.body)
        self._store.put(call.path.text, document)
        return self._accepted(document, 201 if is_new else 200, f"registry {name}")

    async def _delete(self, call: Call) -> Response:
        """Delete a registry with its assets and their storage account."""
        document = existing_registry(self._store, call.path.text)
        _refuse_curated(document["name"])
        account = registry_account(self._store, call.path.text)
        for path, _ in list(self._store.below(call.path.text)):
            self._store.delete(path)
        self._store.delete(call.path.text)
        self._store.delete(storage_account_id(account))
        return self._accepted(None, 202, f"delete registry {document['name']}")

    def _accepted(self, document: Document | None, status: int, label: str) -> Response:
        async def finish() -> None:
            return None

        headers = self._operations.begin(_CREATION_S, finish, label)
        return JSONResponse(document, status_code=status, headers=headers)

    async def discovery(self, request: Request) -> Response:
        """Return the hosts of the registry's data plane. Clients ask for them by the name of the registry."""
        name = request.path_params["registry"]
        existing_registry(self._store, registry_id(name))
        return JSONResponse(
            {
                "registryName": name,
                "tenantId": TENANT,
                "primaryRegion": LOCATION,
                "regions": [LOCATION],
                "registryFqdns": {LOCATION: {"discoveryFqdn": HOST, "registryFqdn": HOST}},
                "subscriptionId": SUBSCRIPTION,
                "resourceGroup": RESOURCE_GROUP,
                "workspaceName": None,
                "primaryRegionResourceProviderUri": f"https://{HOST}/",
            }
        )

    async def _list(self, call: Call) -> Response:
        """List the registries of the resource group. Microsoft's own registry is in none of the user's."""
        children = (document for _, document in self._store.children(registry_id("").rstrip("/")))
        own = [document for document in children if document["name"] != curated.REGISTRY]
        return listed(own, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(existing_registry(self._store, call.path.text))

    async def _upload(self, call: Call) -> Response:
        """Return a container, with a SAS to write to it, for the files of a new asset.

        Raise UserError 409 if the asset exists.
        """
        registry = call.path.ancestor(1)
        existing_registry(self._store, registry)
        name, version = call.path.names[1:3]
        _, _, rest = str(call.body.get("assetId", "")).partition(f"/registries/{call.path.names[0]}/")
        assets = self._assets.get(rest.partition("/")[0])
        if assets is not None and assets.get(registry, name, version):
            raise UserError(
                409,
                f"'{name}' version '{version}' exists in the registry already. Use another version.",
                "Conflict",
            )
        account, container = (
            registry_account(self._store, registry),
            registry_container(registry, f"{name}-{version}"),
        )
        await self._blobs.ensure_container(account, container)
        return JSONResponse(
            {
                "blobReferenceForConsumption": await blob_reference(self._blobs, account, container, _WRITE),
                "temporaryDataReferenceId": str(uuid.uuid4()),
                "temporaryDataReferenceType": "TemporaryBlobReference",
            }
        )

    async def _download(self, call: Call) -> Response:
        registry = call.path.ancestor(1)
        location = locate(self._store, registry, str(call.body.get("blobUri")))
        if location.account != registry_account(self._store, registry):
            raise AzureError(403, "Forbidden", f"{location.url} is not in the storage of this registry.")
        reference = await blob_reference(self._blobs, location.account, location.container, "rl")
        return JSONResponse({"blobReferenceForConsumption": reference})


def _refuse_curated(name: str) -> None:
    if name.lower() == curated.REGISTRY:
        raise UserError(403, f"The registry '{name}' belongs to Microsoft.", "Forbidden")


def _check(name: str, body: Document) -> None:
    """Raise UserError 400 if Azure would refuse a registry, and AzureError 501 for other regions."""
    properties = body.get("properties") or {}
    if not _NAME.fullmatch(name):
        raise UserError(
            400,
            f"The registry name '{name}' is not valid: use 2 to 33 letters, digits, '-' and '_'.",
            "BadArgument",
        )
    regions = [str(region.get("location")) for region in properties.get("regionDetails") or []]
    if not regions:
        raise UserError(400, "A registry needs at least one region in 'regionDetails'.", "BadArgument")
    others = [region for region in regions if region.replace(" ", "").lower() != LOCATION]
    if others:
        raise refused_property("regionDetails", others, f"its only region is {LOCATION}")
    for detail in properties["regionDetails"]:
        for key in ("acrDetails", "storageAccountDetails"):
            for item in detail.get(key) or []:
                own = item.get("systemCreatedStorageAccount") or {}
                chosen = any(name.startswith("userCreated") and value for name, value in item.items())
                if chosen or own.get("storageAccountHnsEnabled"):
                    raise refused_property(key, item, "a registry gets a plain storage account of its own")


def registry_action(path: ArmPath, verb: str) -> str | None:
    """Return the action of a request about the content of a registry, or None for other requests.

    All kinds of assets have the same actions.
    https://learn.microsoft.com/azure/machine-learning/how-to-manage-registries#add-users-to-the-registry
    """
    types = [name.lower() for name in path.types]
    in_registry = path.provider.lower() == ML.lower() and types[0] == "registries"
    if not in_registry or (len(types) == 1 and verb != "import"):
        return None
    reads = verb in ("GET", "LIST") or types[1:2] == ["datarefs"]
    if not reads and path.names[0].lower() == curated.REGISTRY:
        raise AzureError(
            403,
            "AuthorizationFailed",
            "Only Microsoft can change the registry 'azureml'. Use one of your own.",
        )
    return f"{ML}/registries/assets/{'read' if reads else 'delete' if verb == 'DELETE' else 'write'}"


def _with_kept(document: Document, body: Document) -> Document:
    """Return a registry with what a request says of it that Tidepool keeps and does not act on."""
    outer = {name: body[name] for name in ("kind", "sku") if body.get(name)}
    properties = {name: body["properties"][name] for name in _KEPT if body["properties"].get(name)}
    return {**document, **outer, "properties": {**document["properties"], **properties}}
