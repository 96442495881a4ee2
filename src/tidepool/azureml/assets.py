"""Versioned assets of workspaces and registries: made once, described again, never with another content."""

from collections.abc import Awaitable, Callable

from tidepool.arm.requests import resource
from tidepool.arm.system_data import stamp
from tidepool.azureml.asset_kinds import DEFAULTS, LATEST, MUTABLE, AssetKind
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

Created = Callable[[str, AssetKind, Document], Awaitable[None]]
UsedBy = Callable[[str], str | None]


class Assets:
    """The assets of one kind. `root`: their workspace or registry. `created` hears of each new version.

    `used_by` names who uses the version with an id, so that it cannot be deleted.
    """

    def __init__(  # noqa: PLR0913  # what an asset touches
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
        return self._store.get(self._path(root, name, version))

    def existing(self, root: str, name: str, version: str) -> Document:
        found = self.get(root, name, version)
        if found is None:
            raise missing(self.kind.version_noun, name, version, root=root, status=404)
        return found

    def versions(self, root: str, name: str) -> list[Document]:
        """All versions, newest first."""
        return [document for _, document in self._store.children(f"{self._path(root, name)}/versions")][::-1]

    def by_hash(self, root: str, content_hash: str) -> list[Document]:
        """Every version of any name with that content."""
        return [
            document
            for path, document in self._store.below(f"{root}/{self.kind.type}")
            if "/versions/" in path
            and document["properties"]["properties"].get("hash_sha256") == content_hash
        ]

    def latest(self, root: str, name: str) -> Document | None:
        """The version that was created last, archived ones aside."""
        return next((one for one in self.versions(root, name) if not one["properties"]["isArchived"]), None)

    def names(self, root: str) -> list[str]:
        """Newest first; assets that belong to one job only have no name of their own."""
        found = [document["name"] for _, document in self._store.children(f"{root}/{self.kind.type}")]
        return [name for name in found[::-1] if not self._is_anonymous(root, name)]

    def container(self, root: str, name: str) -> Document | None:
        """The asset without a version: which one is the latest, and which number comes next."""
        found = self._store.get(self._path(root, name))
        if found is None:
            return None
        versions = self.versions(root, name)
        latest = self.latest(root, name)
        numbers = [int(document["name"]) for document in versions if document["name"].isdecimal()]
        found["properties"]["latestVersion"] = latest["name"] if latest else None
        found["properties"]["nextVersion"] = str(max(numbers, default=0) + 1)
        if versions and "dataType" in versions[0]["properties"]:
            found["properties"]["dataType"] = versions[0]["properties"]["dataType"]
        return found

    async def put(
        self, root: str, name: str, version: str, properties: Document, *, by: str
    ) -> tuple[Document, bool]:
        """Create a version, or update what may change of it; (document, whether it is new)."""
        wanted = self._wanted(root, properties)
        found = self.get(root, name, version)
        if found is not None:
            self._refuse_changes(found["properties"], wanted)
            kept = {key: wanted[key] for key in MUTABLE if properties.get(key) is not None}
            path = self._path(root, name, found["name"])
            return self._save(path, {**found["properties"], **kept}, found, by), False
        self._check(root, wanted)
        if self.kind.named_in:
            wanted[self.kind.named_in] = {**wanted[self.kind.named_in], "name": name, "version": version}
        self._ensure_container(root, name, by)
        document = self._save(self._path(root, name, version), wanted, {}, by)
        await self._created(root, self.kind, document)
        return document, True

    def describe(self, root: str, name: str, properties: Document, *, by: str) -> Document:
        """Change what may change of the asset as a whole; archiving it hides it, not its versions."""
        self._ensure_container(root, name, by)
        path = self._path(root, name)
        found = self._store.get(path) or {}
        changes = {key: properties[key] for key in MUTABLE if key in properties}
        found = self._save(path, {**found["properties"], **changes}, found, by)
        return self.container(root, name) or found

    def delete(self, root: str, name: str, version: str) -> None:
        path = self._path(root, name, self.existing(root, name, version)["name"])
        if user := self._used_by(path):
            message = f"The {self.kind.version_noun} '{name}:{version}' cannot be deleted: {user} uses it."
            raise UserError(409, message, "Conflict", "AssetInUse")
        self._store.delete(path)

    def _refuse_changes(self, found: Document, wanted: Document) -> None:
        if self.kind.changes(found, wanted):
            raise UserError(400, self.kind.refused.format(noun=self.kind.noun), "Immutable", "AssetImmutable")

    def _save(self, path: str, properties: Document, found: Document, by: str) -> Document:
        document = {**resource(path, properties), "systemData": found.get("systemData", {})}
        if "/registries/" in path:  # the ids of what a registry holds are not those of ARM
            document["id"] = f"azureml://registries/{path.partition('/registries/')[2]}"
        stamped = stamp(document, self._scheduler.now(), by)
        self._store.put(path, stamped)
        return stamped

    def _wanted(self, root: str, properties: Document) -> Document:
        given = {key: value for key, value in properties.items() if value is not None}
        wanted = {**DEFAULTS, "isAnonymous": False, **self.kind.defaults, **given, **self.kind.state}
        if self.kind.uri in wanted:
            wanted[self.kind.uri] = self._references.long_uri(root, wanted[self.kind.uri])
        return wanted

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
