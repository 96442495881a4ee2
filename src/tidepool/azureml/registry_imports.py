"""The import of workspace assets into a registry (`models.share`), which is a long-running operation."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from tidepool.arm.operations import Operations
from tidepool.arm.requests import Call, Routes, kind
from tidepool.azureml.assets import Assets
from tidepool.azureml.locations import BlobLocation, locate
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.azureml.registries import HOST
from tidepool.azureml.registry_storage import existing_registry, registry_account, registry_container
from tidepool.errors import AzureError
from tidepool.faults import Faults
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

_URIS = {"models": "modelUri", "data": "dataUri"}
_IMPORT_S = 0.1
_INJECTED = {"code": "ImportFailed", "message": "A fault rule of Tidepool made this import fail."}
_ADDRESS = f"https://{HOST}/mferp/managementfrontend"


@dataclass(frozen=True)
class _Import:
    """An asset version of a workspace, and where it is copied to. `root` is the workspace."""

    registry: str
    kind: str
    name: str
    version: str
    root: str
    properties: Document
    by: str

    @property
    def facts(self) -> dict[str, str]:
        """Return the facts that fault rules can match."""
        return {
            "registry": self.registry.rpartition("/")[2],
            "name": self.name,
            "version": self.version,
        }


class RegistryFiles:
    """The copies of files into the storage of registries."""

    def __init__(self, *, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def check(self, registry: str) -> None:
        """Raise UserError 404 if there is no such registry."""
        existing_registry(self._store, registry)

    async def copy(self, root: str, uri: str, registry: str, folder: str) -> BlobLocation:
        origin = locate(self._store, root, uri)
        account = registry_account(self._store, registry)
        container = registry_container(registry, folder)
        await self._blobs.ensure_container(account, container)
        base = origin.path.rstrip("/")
        for blob in await self._blobs.list(origin.account, origin.container, base):
            if blob.name == base or blob.name.startswith(f"{base}/"):
                data = await self._blobs.read(origin.account, origin.container, blob.name)
                name = f"{base.rpartition('/')[2]}{blob.name.removeprefix(base)}"
                await self._blobs.write(account, container, name, data)
        return BlobLocation(account, container, base.rpartition("/")[2])


class RegistryImports:
    """The imports under way. The asset appears in the registry when its import has ended."""

    def __init__(
        self,
        *,
        files: RegistryFiles,
        references: References,
        assets: Mapping[str, Assets],
        operations: Operations,
        faults: Faults,
    ) -> None:
        self._files = files
        self._references = references
        self._assets = assets
        self._operations = operations
        self._faults = faults
        self._running: set[tuple[str, str, str, str]] = set()

    def routes(self) -> Routes:
        return {(kind("registries"), "import"): self._begin}

    async def _begin(self, call: Call) -> Response:
        """Begin to copy an asset of a workspace, with its files, to a name and version in the registry."""
        wanted = self._wanted(call)
        key = (wanted.registry, wanted.kind, wanted.name, wanted.version)
        if key in self._running or self._assets[wanted.kind].get(
            wanted.registry, wanted.name, wanted.version
        ):
            raise UserError(
                409,
                f"'{wanted.name}' version '{wanted.version}' exists in the registry already. "
                "Use another version.",
                "Conflict",
            )
        self._running.add(key)
        pending_s = self._faults.value("share", "pending", wanted.facts)
        fails = self._faults.value("share", "fail", wanted.facts) is not None

        async def finish() -> Document | None:
            error = _INJECTED if fails else await self._copy(wanted)
            self._running.discard(key)
            return error

        headers = self._operations.begin_with_result(
            _IMPORT_S if pending_s is None else pending_s, finish, f"import {wanted.name}", _ADDRESS
        )
        return Response(status_code=202, headers=headers)

    def _wanted(self, call: Call) -> _Import:
        """Return what a request asks for. Raise UserError if there is no such asset version."""
        registry = call.path.ancestor(1)
        self._files.check(registry)
        source_id = str(call.properties.get("sourceAssetId"))
        source = self._references.read(registry, source_id)
        if source is None or source.kind not in self._assets:
            raise UserError(
                400,
                f"'{source_id}' is not the id of an asset version that a registry can import.",
                "BadArgument",
            )
        asset = self._references.resolve(source)
        if asset is None:
            raise missing(
                self._assets[source.kind].kind.version_noun,
                source.name,
                source.version,
                root=source.root,
                status=404,
            )
        return _Import(
            registry=registry,
            kind=source.kind,
            name=call.properties.get("destinationName") or source.name,
            version=call.properties.get("destinationVersion") or source.version,
            root=source.root,
            properties={**asset["properties"], "isArchived": False},
            by=call.principal.name,
        )

    async def _copy(self, wanted: _Import) -> Document | None:
        """Copy the files, then create the asset version. Return the error if this fails."""
        properties = dict(wanted.properties)
        try:
            if uri_key := _URIS.get(wanted.kind):
                folder = f"{wanted.name}-{wanted.version}"
                files = await self._files.copy(wanted.root, properties[uri_key], wanted.registry, folder)
                properties[uri_key] = files.url
            await self._assets[wanted.kind].put(
                wanted.registry, wanted.name, wanted.version, properties, by=wanted.by
            )
        except AzureError as error:
            return {"code": error.code, "message": error.message}
        return None
