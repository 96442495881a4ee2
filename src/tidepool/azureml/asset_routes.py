"""The routes of versioned assets: containers and versions. Lists can be filtered and sorted."""

from collections.abc import Iterable, Mapping

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed
from tidepool.azureml.assets import Assets
from tidepool.azureml.ml_errors import missing
from tidepool.errors import not_emulated
from tidepool.store import Document


class AssetRoutes:
    """The routes of one kind of asset."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def routes(self, owner: str) -> Routes:
        """Return the routes for an owner, which is `workspaces` or `registries`."""
        containers = kind(owner, self._assets.kind.type)
        versions = kind(owner, self._assets.kind.type, "versions")
        return {
            (containers, "LIST"): self._list_containers,
            (containers, "GET"): self._get_container,
            (containers, "PUT"): self._put_container,
            (versions, "LIST"): self._list,
            (versions, "GET"): self._get,
            (versions, "PUT"): self._put,
            (versions, "DELETE"): self._delete,
        }

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._assets.existing(call.path.root, *call.path.names[1:3]))

    async def _put(self, call: Call) -> Response:
        name, version = call.path.names[1:3]
        document, new = await self._assets.put(
            call.path.root, name, version, call.properties, by=call.principal.name
        )
        return JSONResponse(document, status_code=201 if new else 200)

    async def _delete(self, call: Call) -> Response:
        self._assets.delete(call.path.root, *call.path.names[1:3])
        return Response(status_code=200)

    async def _list(self, call: Call) -> Response:
        content_hash = call.query.get("hash")
        if content_hash and self._assets.kind.found_by_hash:
            versions = self._assets.by_hash(call.path.root, content_hash)
        else:
            versions = self._assets.versions(call.path.root, call.path.names[1])
        order = call.query.get("$orderBy") or call.query.get("orderBy") or ""
        if order.lower() not in ("", "createdtime asc", "createdtime desc"):
            raise not_emulated("GET", f"{call.url} in the order '{order}'")
        shown = _shown(versions, call.query)
        return listed(shown[::-1] if order.lower() == "createdtime asc" else shown, call.query, call.url)

    async def _get_container(self, call: Call) -> Response:
        container = self._assets.container(call.path.root, call.path.names[1])
        if container is None:
            raise missing(self._assets.kind.noun, call.path.names[1], root=call.path.root, status=404)
        return JSONResponse(container)

    async def _put_container(self, call: Call) -> Response:
        name, by = call.path.names[1], call.principal.name
        return JSONResponse(self._assets.describe(call.path.root, name, call.properties, by=by))

    async def _list_containers(self, call: Call) -> Response:
        root = call.path.root
        containers = [
            container
            for name in self._assets.names(root)
            if (container := self._assets.container(root, name))
        ]
        return listed(_shown(containers, call.query), call.query, call.url)


def in_view(view: str, archived: bool) -> bool:
    """Return whether a `listViewType` (ActiveOnly, ArchivedOnly, All) includes an asset."""
    return view == "All" or archived == (view == "ArchivedOnly")


def has_tags(tags: Document, required: str) -> bool:
    """Return whether the tags contain all required tags, which are written as `name,name=value`."""
    entries = [entry.partition("=") for entry in required.split(",") if entry]
    return all(name in tags and (not equals or tags[name] == value) for name, equals, value in entries)


def _shown(documents: Iterable[Document], query: Mapping[str, str]) -> list[Document]:
    """Return the assets that a query asks for."""
    view, tags = query.get("listViewType", "ActiveOnly"), query.get("$tags", "")
    return [
        item
        for item in documents
        if in_view(view, item["properties"]["isArchived"]) and has_tags(item["properties"]["tags"], tags)
    ]
