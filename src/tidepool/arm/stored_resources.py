"""Resources that a workspace needs and that Tidepool only keeps: key vaults, Application Insights and others.

Nothing answers at their endpoints. A program that uses one gets an error from the proxy.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import guid, user_assigned, with_object_ids
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.default_resources import TENANT
from tidepool.errors import AzureError, not_found
from tidepool.store import Document, Store

Extra = Callable[[str, str], Document]


@dataclass(frozen=True)
class StoredType:
    """A type of resources. `extra` returns the properties that Azure adds, for the id and the name."""

    type: str
    extra: Extra


def _vault(_id: str, name: str) -> Document:
    return {"vaultUri": f"https://{name}.vault.azure.net/", "tenantId": TENANT}


def _insights(resource_id: str, name: str) -> Document:
    key = guid(f"{resource_id.lower()}/key")
    return {"InstrumentationKey": key, "ConnectionString": f"InstrumentationKey={key}", "AppId": guid(name)}


def _logs(resource_id: str, _name: str) -> Document:
    return {"customerId": guid(resource_id.lower())}


def _containers(_id: str, name: str) -> Document:
    return {"loginServer": f"{name}.azurecr.io"}


def _identity(resource_id: str, _name: str) -> Document:
    return {**user_assigned(resource_id), "tenantId": TENANT}


def _plan(_id: str, _name: str) -> Document:
    return {"status": "Ready"}


_TYPES = (
    StoredType("Microsoft.KeyVault/vaults", _vault),
    StoredType("Microsoft.Insights/components", _insights),
    StoredType("Microsoft.OperationalInsights/workspaces", _logs),
    StoredType("Microsoft.ContainerRegistry/registries", _containers),
    StoredType("Microsoft.Web/serverfarms", _plan),
    StoredType("Microsoft.ManagedIdentity/userAssignedIdentities", _identity),
)


class StoredResources:
    """The routes of the types that are only kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Routes:
        routes: Routes = {}
        for stored in _TYPES:
            provider, type_ = stored.type.split("/")
            key = kind(type_, provider=provider)
            routes |= {
                (key, "LIST"): self._list,
                (key, "GET"): self._get,
                (key, "PUT"): self._put,
                (key, "PATCH"): self._put,
                (key, "DELETE"): self._delete,
            }
        return routes

    async def _list(self, call: Call) -> Response:
        return listed([item for _, item in self._store.children(call.path.text)], call.query, call.url)

    async def _get(self, call: Call) -> Response:
        document = self._store.get(call.path.text)
        if document is None:
            raise not_found(call.path.text)
        return JSONResponse(document)

    async def _put(self, call: Call) -> Response:
        stored = next(item for item in _TYPES if item.type.lower() == call.path.kind)
        name, existing = call.path.names[0], self._store.get(call.path.text) or {}
        outer = {key: call.body.get(key, existing.get(key)) for key in ("location", "tags", "kind", "sku")}
        outer["identity"] = with_object_ids(call.path.text, call.body.get("identity")) or existing.get(
            "identity"
        )
        if not outer["location"]:
            raise AzureError(
                400, "LocationRequired", "The location property is required for this definition."
            )
        properties = {
            **existing.get("properties", {}),
            **call.properties,
            **stored.extra(call.path.text, name),
            "provisioningState": "Succeeded",
        }
        present = {key: value for key, value in outer.items() if value is not None}
        document = resource(call.path.text, properties, **present)
        self._store.put(call.path.text, document)
        return JSONResponse(document, status_code=200 if existing else 201)

    async def _delete(self, call: Call) -> Response:
        return Response(status_code=200 if self._store.delete(call.path.text) else 204)
