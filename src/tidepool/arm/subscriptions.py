"""The subscription, the resource groups and their resources, and the resource providers."""

import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.access.identity import Identity
from tidepool.access.principals import Principal
from tidepool.arm.requests import MANAGEMENT, Call, Routes, kind, listed
from tidepool.arm.resource_groups import group_document, group_id, group_named, group_names, write_group
from tidepool.default_resources import LOCATION, SUBSCRIPTION, TENANT
from tidepool.errors import AzureError, not_emulated, refused_property
from tidepool.store import Document, Store

PROVIDER = "Microsoft.Resources"
_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"
# Types that extend other resources, or that are no resources: a group's resources do not include them.
_NOT_LISTED = (
    *("microsoft.authorization", "microsoft.resources"),
    *("microsoft.insights/metric", "microsoft.eventgrid/eventsubscriptions"),
)
# How providers and types are written, as far as it does not follow from the resources of this Tidepool.
_SPELLING = {
    "microsoft.machinelearningservices": "Microsoft.MachineLearningServices",
    "microsoft.eventgrid": "Microsoft.EventGrid",
    "microsoft.storage": "Microsoft.Storage",
    "microsoft.keyvault": "Microsoft.KeyVault",
    "microsoft.operationalinsights": "Microsoft.OperationalInsights",
    "microsoft.containerregistry": "Microsoft.ContainerRegistry",
    "microsoft.managedidentity": "Microsoft.ManagedIdentity",
    "microsoft.web": "Microsoft.Web",
}
# The fields that `$expand` can add to the resources of a list. Their times are not recorded, and stay out.
_EXPANDED = ("createdTime", "changedTime", "provisioningState")
API_VERSION = "2025-06-01"

# Sends a request to Azure Resource Manager as a principal: (principal, method, path, body).
Send = Callable[[Principal, str, str, Document], Awaitable[Response]]


class Subscriptions:
    """The routes of the only subscription of Tidepool, and of its resource groups.

    `kinds` are the kinds and verbs of the other routes. `send` sends a request through the router.
    """

    def __init__(
        self,
        *,
        store: Store,
        identity: Identity,
        kinds: Iterable[tuple[str, str]],
        send: Send,
    ) -> None:
        self._store = store
        self._identity = identity
        self._kinds = kinds
        self._send = send

    def routes(self) -> Routes:
        groups = kind("subscriptions/resourceGroups", provider=PROVIDER)
        return {
            (kind("subscriptions", provider=PROVIDER), "LIST"): self._subscriptions,
            (kind("subscriptions", provider=PROVIDER), "GET"): self._subscription,
            (kind("tenants", provider=PROVIDER), "LIST"): self._tenants,
            (kind("subscriptions/locations", provider=PROVIDER), "LIST"): self._locations,
            (kind("subscriptions/providers", provider=PROVIDER), "LIST"): self._providers,
            (groups, "LIST"): self._groups,
            (groups, "GET"): self._group,
            (groups, "HEAD"): self._group_exists,
            (groups, "PUT"): self._put_group,
            (groups, "PATCH"): self._put_group,
            (f"{groups}/resources", "LIST"): self._resources,
            (kind("subscriptions/resources", provider=PROVIDER), "LIST"): self._resources,
            **{(name.lower(), "GET"): self._provider for name in self._provider_names()},
        }

    async def _subscriptions(self, call: Call) -> Response:
        """List the subscription if the principal has any role in it, as Azure does."""
        has_role = bool(self._identity.assignments.at_or_below(_SUBSCRIPTION, call.principal.id))
        return JSONResponse({"value": [_subscription()] if has_role else []})

    async def _subscription(self, call: Call) -> Response:
        _check_name(call, call.path.names[0], SUBSCRIPTION, "SubscriptionNotFound")
        return JSONResponse(_subscription())

    async def _tenants(self, _call: Call) -> Response:
        return JSONResponse({"value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT}]})

    async def _locations(self, _call: Call) -> Response:
        location = {
            "id": f"{_SUBSCRIPTION}/locations/{LOCATION}",
            "name": LOCATION,
            "displayName": "Japan East",
            "metadata": {"regionType": "Physical"},
        }
        return JSONResponse({"value": [location]})

    async def _groups(self, call: Call) -> Response:
        groups = [group_document(self._store, name) for name in group_names(self._store)]
        return listed(groups, call.query, call.url)

    async def _group(self, call: Call) -> Response:
        name = group_named(self._store, call.path.names[1])
        _check_name(call, call.path.names[1], name or "", "ResourceGroupNotFound")
        return JSONResponse(group_document(self._store, name or ""))

    async def _group_exists(self, call: Call) -> Response:
        exists = group_named(self._store, call.path.names[1])
        return Response(status_code=204 if exists else 404)

    async def _put_group(self, call: Call) -> Response:
        """Create a resource group, or update the tags of one."""
        name = group_named(self._store, call.path.names[1])
        before = group_document(self._store, name)["location"] if name else None
        location = str(call.body.get("location") or before or "").replace(" ", "").lower()
        if not location:
            message = f"The resource group '{call.path.names[1]}' needs a location."
            raise AzureError(400, "LocationRequired", message)
        if before and location != before:
            raise AzureError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{location}'. "
                f"The Resource group already exists in location '{before}'.",
            )
        name = name or call.path.names[1]
        write_group(self._store, name, location, call.body.get("tags") or {})
        return JSONResponse(group_document(self._store, name), status_code=200 if before else 201)

    async def _resources(self, call: Call) -> Response:
        """List the resources that the principal may read, in the order of their types."""
        of_group = len(call.path.names) > 1
        groups = [call.path.names[1]] if of_group else group_names(self._store)
        items = []
        for name, verb in sorted(self._kinds):
            if verb == "LIST" and name.count("/") == 1 and not name.startswith(_NOT_LISTED):
                for group in groups:
                    items += await self._all(call.principal, f"{group_id(group)}/providers/{name}")
        added = [name for name in call.query.get("$expand", "").split(",") if name]
        rows = [_row(item, added) for item in items]
        return listed(_matching(rows, call.query.get("$filter", "")), call.query, call.url)

    async def _all(self, principal: Principal, collection: str) -> list[Document]:
        items: list[Document] = []
        link = collection
        while link:
            try:
                response = await self._send(principal, "GET", link, {})
            except AzureError as error:
                if error.status == 403:
                    return []
                raise
            page = json.loads(bytes(response.body))
            items += page["value"]
            link = page.get("nextLink", "").removeprefix(MANAGEMENT)
        return items

    def _provider_names(self) -> dict[str, set[str]]:
        """Return the types of each resource provider."""
        types = defaultdict(set)
        for name, _ in self._kinds:
            provider, _, type_ = name.partition("/")
            if type_:
                types[_SPELLING.get(provider, provider)].add(type_)
        return dict(types)

    async def _providers(self, call: Call) -> Response:
        return listed(
            [_provider(name, types) for name, types in self._provider_names().items()], call.query, call.url
        )

    async def _provider(self, call: Call) -> Response:
        names = self._provider_names()
        found = next(name for name in names if name.lower() == call.path.provider.lower())
        return JSONResponse(_provider(found, names[found]))


def _row(item: Document, added: Sequence[str]) -> Document:
    """Return a resource as lists show it, with the state that `$expand` adds."""
    shown = ("id", "name", "type", "location", "kind", "sku", "identity", "tags")
    row = {key: item[key] for key in shown if item.get(key) is not None}
    if unknown := set(added).difference(_EXPANDED):
        raise not_emulated("GET", f"resources with $expand={min(unknown)}, only with {', '.join(_EXPANDED)}")
    state = item.get("properties", {}).get("provisioningState")
    return {**row, "provisioningState": state} if state and "provisioningState" in added else row


def _subscription() -> Document:
    return {
        "id": _SUBSCRIPTION,
        "subscriptionId": SUBSCRIPTION,
        "displayName": "Tidepool",
        "state": "Enabled",
        "tenantId": TENANT,
    }


def _provider(name: str, types: Iterable[str]) -> Document:
    entries: list[Mapping[str, Any]] = [
        {"resourceType": type_, "locations": ["Japan East"], "apiVersions": [API_VERSION]}
        for type_ in sorted(types)
    ]
    return {
        "id": f"{_SUBSCRIPTION}/providers/{name}",
        "namespace": name,
        "registrationState": "Registered",
        "resourceTypes": entries,
    }


def _matching(rows: list[Document], condition: str) -> list[Document]:
    """Return the rows that meet `resourceType eq '...'` or `name eq '...'`, the filters of the command line.

    Raise AzureError 501 for other filters.
    """
    if not condition:
        return rows
    terms = re.split(r"\s+and\s+", condition)
    for term in terms:
        match = re.fullmatch(r"(resourceType|resourceGroup|name|location)\s+eq\s+'([^']*)'", term.strip())
        if match is None:
            raise refused_property(
                "$filter", condition, "it compares resourceType, resourceGroup, name and location"
            )
        if match[1] == "resourceGroup":
            inside = f"{group_id(match[2])}/".lower()
            rows = [row for row in rows if row["id"].lower().startswith(inside)]
            continue
        key = "type" if match[1] == "resourceType" else match[1]
        rows = [row for row in rows if str(row.get(key)).lower() == match[2].lower()]
    return rows


def _check_name(call: Call, name: str, existing: str, code: str) -> None:
    if name.lower() != existing.lower():
        raise AzureError(404, code, f"'{call.path.text}' could not be found.")
