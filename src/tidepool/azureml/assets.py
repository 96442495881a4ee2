"""Versioned assets of workspaces and registries. The content of a version never changes."""

import json
from collections.abc import Awaitable, Callable

from tidepool.access.principals import guid
from tidepool.arm.requests import resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.asset_kinds import DEFAULTS, LATEST, MUTABLE, AssetKind
from tidepool.azureml.curated import curated_version
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

Created = Callable[[str, AssetKind, Document], Awaitable[None]]
UsedBy = Callable[[str], str | None]
# azure-ai-ml gives this version to the component of each batch deployment that is made of a job.
_SHARED_VERSION = ("azureml_anonymous", "1")


class Assets:
    """The assets of one kind. `root` is the id of their workspace or registry.

    `created` is called for each new version. `used_by` returns the name of the deployment that uses a
    version, by the id of the version. A version that is in use cannot be deleted.
    """

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        kind: AssetKind,
        *,
        store: Store,
        scheduler: Scheduler,
        references: References,
        created: Created,
        used_by: UsedBy = lambda _: None,
    ) -> None:
        self.kind = kind
        self._store = store
        self._scheduler = scheduler
        self._references = references
        self._created = created
        self._used_by = used_by

    def get(self, root: str, name: str, version: str) -> Document | None:
        if version in LATEST:
            return self.latest(root, name)
        stored = self._store.get(self._path(root, name, version))
        return stored or curated_version(self._path(root, name), version)

    def existing(self, root: str, name: str, version: str) -> Document:
        document = self.get(root, name, version)
        if document is None:
            raise missing(self.kind.version_noun, name, version, root=root, status=404)
        return document

    def versions(self, root: str, name: str) -> list[Document]:
        """Return all versions, newest first."""
        return [document for _, document in self._store.children(f"{self._path(root, name)}/versions")][::-1]

    def by_hash(self, root: str, content_hash: str) -> list[Document]:
        """Return all versions with this content hash, whatever their names are."""
        return [
            document
            for path, document in self._store.below(f"{root}/{self.kind.type}")
            if "/versions/" in path
            and document["properties"]["properties"].get("hash_sha256") == content_hash
        ]

    def latest(self, root: str, name: str) -> Document | None:
        """Return the version that was created last and is not archived, or None."""
        active = (version for version in self.versions(root, name) if not version["properties"]["isArchived"])
        return next(active, None) or curated_version(self._path(root, name), "")

    def names(self, root: str) -> list[str]:
        """Return the names of the assets, newest first, without the anonymous assets that jobs create."""
        names = [document["name"] for _, document in self._store.children(f"{root}/{self.kind.type}")]
        return [name for name in names[::-1] if not self._is_anonymous(root, name)]

    def container(self, root: str, name: str) -> Document | None:
        """Return the asset as a whole, with its latest version and the next version number."""
        container = self._store.get(self._path(root, name))
        if container is None:
            return None
        versions = self.versions(root, name)
        latest = self.latest(root, name)
        numbers = [int(document["name"]) for document in versions if document["name"].isdecimal()]
        container["properties"]["latestVersion"] = latest["name"] if latest else None
        container["properties"]["nextVersion"] = str(max(numbers, default=0) + 1)
        if versions and "dataType" in versions[0]["properties"]:
            container["properties"]["dataType"] = versions[0]["properties"]["dataType"]
        return container

    async def put(
        self, root: str, name: str, version: str, properties: Document, *, by: str
    ) -> tuple[Document, bool]:
        """Create a version, or update the properties of a version that may change.

        Return the document of the version, and whether the version is new.
        """
        requested = self._with_defaults(root, properties)
        if (name, version) == _SHARED_VERSION and requested["isAnonymous"]:
            version = guid(json.dumps(properties, sort_keys=True))
        existing = self.get(root, name, version)
        if existing is not None:
            self._refuse_changes(existing["properties"], requested)
            changes = {key: requested[key] for key in MUTABLE if properties.get(key) is not None}
            path = self._path(root, name, existing["name"])
            return self._save(path, {**existing["properties"], **changes}, existing, by), False
        self._check(root, requested)
        if key := self.kind.named_in:
            requested[key] = {**requested[key], "name": name, "version": version}
        self._ensure_container(root, name, by)
        document = self._save(self._path(root, name, version), requested, {}, by)
        await self._created(root, self.kind, document)
        return document, True

    def describe(self, root: str, name: str, properties: Document, *, by: str) -> Document:
        """Update the asset itself, not a version. An archived asset is hidden, but its versions are not."""
        self._ensure_container(root, name, by)
        path = self._path(root, name)
        existing = self._store.get(path) or {}
        changes = {key: properties[key] for key in (*MUTABLE, "dataType") if key in properties}
        document = self._save(path, {**existing["properties"], **changes}, existing, by)
        return self.container(root, name) or document

    def delete(self, root: str, name: str, version: str) -> None:
        path = self._path(root, name, self.existing(root, name, version)["name"])
        if user := self._used_by(path):
            message = (
                f"The {self.kind.version_noun} '{name}:{version}' cannot be deleted: {user} uses it. "
                "Delete that deployment first, or give it another version."
            )
            raise UserError(409, message, "Conflict", "AssetInUse")
        self._store.delete(path)

    def _refuse_changes(self, existing: Document, requested: Document) -> None:
        if self.kind.changes(existing, requested):
            message = self.kind.refused.format(noun=self.kind.noun)
            raise UserError(self.kind.refused_status, message, "Immutable", "AssetImmutable")

    def _save(self, path: str, properties: Document, existing: Document, by: str) -> Document:
        document = {**resource(path, properties), "systemData": existing.get("systemData", {})}
        if "/registries/" in path:  # the ids of assets in a registry differ from the ids of ARM resources
            document["id"] = f"azureml://registries/{path.partition('/registries/')[2]}"
        document = with_system_data(document, self._scheduler.now(), by)
        self._store.put(path, document)
        return document

    def _with_defaults(self, root: str, properties: Document) -> Document:
        given = {key: value for key, value in properties.items() if value is not None}
        full = {**DEFAULTS, "isAnonymous": False, **self.kind.defaults, **given, **self.kind.state}
        if self.kind.names_job and (run := self._references.run_of(root, full.get(self.kind.uri) or "")):
            full.setdefault("jobName", run)
        if self.kind.uri in full:
            full[self.kind.uri] = self._references.long_uri(root, full[self.kind.uri])
        return full

    def _check(self, root: str, properties: Document) -> None:
        for name in self.kind.required:
            if not properties.get(name):
                message = f"The {self.kind.version_noun} needs a value for '{name}'."
                raise UserError(400, message, "BadArgument", "ArgumentBlankOrEmpty")
        self._references.check(
            root, {key: value for key, value in properties.items() if key in self.kind.fixed}
        )

    def _ensure_container(self, root: str, name: str, by: str) -> None:
        path = self._path(root, name)
        if self._store.get(path) is None:
            self._save(path, {**DEFAULTS, **self.kind.state}, {}, by)

    def _is_anonymous(self, root: str, name: str) -> bool:
        versions = self.versions(root, name)
        return bool(versions and versions[0]["properties"]["isAnonymous"])

    def _path(self, root: str, name: str, version: str = "") -> str:
        path = f"{root}/{self.kind.type}/{name}"
        return f"{path}/versions/{version}" if version else path
