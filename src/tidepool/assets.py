"""Versioned assets (data, models, environments, components, code) of a workspace or a registry: what each kind keeps and forbids."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.arm import Call, Routes, kind, listed, resource
from tidepool.ml_errors import UserError, missing
from tidepool.references import References
from tidepool.scheduler import Scheduler
from tidepool.stamps import stamp
from tidepool.store import Document, Store

Created = Callable[[str, "AssetKind", Document], Awaitable[None]]


@dataclass(frozen=True)
class AssetKind:
    """`fixed` cannot change once a version exists; `refused` is the message; `uri` names the property that is a place."""

    type: str
    noun: str
    fixed: tuple[str, ...]
    refused: str
    required: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    uri: str = ""


_PATHS = "Asset paths cannot be updated."
_CONTENT = (
    "A {noun} with this name and version is already registered with different content. "
    "Only description, tags and isArchived can be updated; use another version."
)

KINDS = (
    AssetKind(
        "data",
        "data version",
        ("dataUri", "dataType"),
        _PATHS,
        ("dataUri",),
        {"dataType": "uri_folder"},
        "dataUri",
    ),
    AssetKind(
        "models",
        "model version",
        ("modelUri", "modelType"),
        _PATHS,
        ("modelUri",),
        {"modelType": "custom_model", "flavors": {}},
        "modelUri",
    ),
    AssetKind("codes", "code version", ("codeUri",), _PATHS, ("codeUri",), uri="codeUri"),
    AssetKind(
        "environments",
        "environment version",
        ("image", "condaFile", "build", "osType"),
        _CONTENT,
        (),
        {"osType": "Linux"},
    ),
    AssetKind("components", "component version", ("componentSpec",), _CONTENT, ("componentSpec",)),
)
ASSET_KINDS = {one.type: one for one in KINDS}
_DEFAULTS: Document = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
}
_MUTABLE = ("description", "tags", "isArchived", "stage", "properties")


class Assets:
    """The routes of one kind of asset, and the same operations for other parts. `created` is told of each new version."""

    def __init__(
        self, kind: AssetKind, *, store: Store, scheduler: Scheduler, references: References, created: Created
    ) -> None:
        self.kind = kind
        self._store = store
        self._scheduler = scheduler
        self._references = references
        self._created = created

    def routes(self, owner: str) -> Routes:
        """`owner` is `workspaces` or `registries`."""
        containers, versions = kind(owner, self.kind.type), kind(owner, self.kind.type, "versions")
        return {
            (containers, "LIST"): self._list_containers,
            (containers, "GET"): self._get_container,
            (containers, "PUT"): self._put_container,
            (versions, "LIST"): self._list_versions,
            (versions, "GET"): self._get,
            (versions, "PUT"): self._put,
            (versions, "DELETE"): self._delete,
        }

    def get(self, root: str, name: str, version: str) -> Document | None:
        return self._store.get(self._path(root, name, version))

    def versions(self, root: str, name: str) -> list[Document]:
        """All versions, newest first."""
        return [document for _, document in self._store.children(f"{self._path(root, name)}/versions")][::-1]

    def latest(self, root: str, name: str) -> Document | None:
        """The version that was created last, archived ones aside."""
        return next((one for one in self.versions(root, name) if not one["properties"]["isArchived"]), None)

    async def put(
        self, root: str, name: str, version: str, properties: Document, *, by: str
    ) -> tuple[Document, bool]:
        """Create a version, or update what may change of it; (document, whether it is new)."""
        wanted = self._wanted(root, properties)
        found = self.get(root, name, version)
        if found is not None:
            self._refuse_changes(found["properties"], wanted)
            kept = {key: wanted[key] for key in _MUTABLE if key in properties and key in wanted}
            found["properties"] = {**found["properties"], **kept}
            document = stamp(found, self._scheduler.now(), by)
            self._store.put(document["id"], document)
            return document, False
        self._check(root, wanted)
        self._ensure_container(root, name, by)
        document = stamp(resource(self._path(root, name, version), wanted), self._scheduler.now(), by)
        self._store.put(document["id"], document)
        await self._created(root, self.kind, document)
        return document, True

    def _wanted(self, root: str, properties: Document) -> Document:
        given = {key: value for key, value in properties.items() if value is not None}
        wanted = {**_DEFAULTS, **self.kind.defaults, **given, "provisioningState": "Succeeded"}
        if self.kind.uri and self.kind.uri in wanted:
            wanted[self.kind.uri] = self._references.long_uri(root, wanted[self.kind.uri])
        return wanted

    def _check(self, root: str, properties: Document) -> None:
        for name in self.kind.required:
            if not properties.get(name):
                raise UserError(
                    400,
                    f"The {self.kind.noun} needs a value for '{name}'.",
                    "BadArgument",
                    "ArgumentBlankOrEmpty",
                )
        self._references.check(
            root, {key: value for key, value in properties.items() if key in self.kind.fixed}
        )

    def _refuse_changes(self, found: Document, wanted: Document) -> None:
        if any(_content(found.get(key)) != _content(wanted.get(key)) for key in self.kind.fixed):
            raise UserError(400, self.kind.refused.format(noun=self.kind.noun), "Immutable", "AssetImmutable")

    def _ensure_container(self, root: str, name: str, by: str) -> None:
        path = self._path(root, name)
        if self._store.get(path) is None:
            properties = {**_DEFAULTS, "provisioningState": "Succeeded"}
            self._store.put(path, stamp(resource(path, properties), self._scheduler.now(), by))

    def container(self, root: str, name: str) -> Document | None:
        """The asset without a version: which one is the latest, which number comes next."""
        found = self._store.get(self._path(root, name))
        if found is None:
            return None
        versions = [document["name"] for document in self.versions(root, name)]
        latest = self.latest(root, name)
        found["properties"]["latestVersion"] = latest["name"] if latest else None
        numbers = [int(version) for version in versions if version.isdecimal()]
        found["properties"]["nextVersion"] = str(max(numbers, default=0) + 1)
        if self.kind.type == "data" and versions:
            found["properties"]["dataType"] = self.versions(root, name)[0]["properties"]["dataType"]
        return found

    # Routes

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call))

    async def _put(self, call: Call) -> Response:
        name, version = call.path.names[1:3]
        document, new = await self.put(call.path.root, name, version, call.properties, by=call.principal.name)
        return JSONResponse(document, status_code=201 if new else 200)

    async def _delete(self, call: Call) -> Response:
        self._store.delete(self._existing(call)["id"])
        return Response(status_code=200)

    async def _list_versions(self, call: Call) -> Response:
        name = call.path.names[1]
        if self._store.get(self._path(call.path.root, name)) is None:
            raise missing(self.kind.noun.removesuffix(" version"), name, root=call.path.root, status=404)
        found = _shown(self.versions(call.path.root, name), call)
        order = call.query.get("$orderBy") or call.query.get("orderBy") or ""
        return listed(found[::-1] if order.lower() == "createdtime asc" else found, call.query, call.url)

    async def _get_container(self, call: Call) -> Response:
        found = self.container(call.path.root, call.path.names[1])
        if found is None:
            raise missing(
                self.kind.noun.removesuffix(" version"), call.path.names[1], root=call.path.root, status=404
            )
        return JSONResponse(found)

    async def _put_container(self, call: Call) -> Response:
        """What may change of the asset as a whole; archiving it hides it, not its versions."""
        root, name = call.path.root, call.path.names[1]
        self._ensure_container(root, name, call.principal.name)
        found = self._store.get(self._path(root, name)) or {}
        found["properties"].update({key: call.properties[key] for key in _MUTABLE if key in call.properties})
        self._store.put(found["id"], stamp(found, self._scheduler.now(), call.principal.name))
        return JSONResponse(self.container(root, name))

    async def _list_containers(self, call: Call) -> Response:
        paths = (
            document["name"] for _, document in self._store.children(f"{call.path.root}/{self.kind.type}")
        )
        found = [document for name in paths if (document := self.container(call.path.root, name))]
        return listed(_shown(found[::-1], call), call.query, call.url)

    def _existing(self, call: Call) -> Document:
        name, version = call.path.names[1:3]
        found = self.get(call.path.root, name, version)
        if found is None:
            raise missing(self.kind.noun, name, version, root=call.path.root, status=404)
        return found

    def _path(self, root: str, name: str, version: str = "") -> str:
        path = f"{root}/{self.kind.type}/{name}"
        return f"{path}/versions/{version}" if version else path


def _shown(documents: list[Document], call: Call) -> list[Document]:
    """What the view type and the tags of a listing let through."""
    view = call.query.get("listViewType", "ActiveOnly")
    wanted = [
        tag.partition("=")
        for tag in (call.query.get("$tags") or call.query.get("tags") or "").split(",")
        if tag
    ]
    return [
        document
        for document in documents
        if in_view(view, document["properties"]["isArchived"])
        and all(
            name in document["properties"]["tags"]
            and (not equals or document["properties"]["tags"][name] == value)
            for name, equals, value in wanted
        )
        and call.query.get("hash", "") in ("", document["properties"]["properties"].get("hash_sha256", ""))
    ]


def in_view(view: str, archived: bool) -> bool:
    return view == "All" or archived == (view == "ArchivedOnly")


def _content(value: Any) -> Any:
    """What a value says: places are the same with and without a slash at their end, absent is the same as empty."""
    return value.rstrip("/") if isinstance(value, str) else value or None
