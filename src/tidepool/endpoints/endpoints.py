"""Online endpoints as ARM resources: created, given traffic, listed, deleted, with keys and tokens."""

from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import Principal, with_object_ids
from tidepool.arm.operations import POLL, Operations
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.default_resources import LOCATION
from tidepool.endpoints.keys import EndpointKeys
from tidepool.endpoints.records import EndpointRecords
from tidepool.endpoints.rules import AUTH_MODES, check_name, mirror_of, refused, traffic_of
from tidepool.scheduler import Scheduler
from tidepool.store import Document

PROVISIONING_S = 0.05  # Azure takes a minute or two

Retire = Callable[[str], Awaitable[None]]
Forget = Callable[[str], None]


class Endpoints:
    """The routes of online endpoints.

    `retire` ends the process of a deployment, and `forget` deletes the metrics of an endpoint.
    """

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        records: EndpointRecords,
        scheduler: Scheduler,
        operations: Operations,
        keys: EndpointKeys,
        retire: Retire,
        forget: Forget,
        default_roles: DefaultRoles,
    ) -> None:
        self._records = records
        self._scheduler = scheduler
        self._operations = operations
        self._keys = keys
        self._retire = retire
        self._forget = forget
        self._default_roles = default_roles

    def routes(self) -> Routes:
        endpoints = kind("workspaces", "onlineEndpoints")
        return {
            (endpoints, "LIST"): self._list,
            (endpoints, "GET"): self._get,
            (endpoints, "PUT"): self._put,
            (endpoints, "PATCH"): self._patch,
            (endpoints, "DELETE"): self._delete,
            (endpoints, "listkeys"): self._list_keys,
            (endpoints, "regeneratekeys"): self._regenerate,
            (endpoints, "token"): self._token,
        }

    async def _list(self, call: Call) -> Response:
        children = self._records.store.children(f"{call.path.root}/onlineEndpoints")
        return listed([endpoint for _, endpoint in children], call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._records.endpoint(call.path.text), headers=POLL)

    async def _put(self, call: Call) -> Response:
        """Create or replace the endpoint.

        Deployments that are not in the traffic of the body get no live traffic.
        """
        endpoint_id = call.path.text
        existing = self._records.store.get(endpoint_id)
        if existing is None:
            check_name(call.path.names[-1], "endpoint")
        else:
            self._records.refuse_while_busy(endpoint_id)
        endpoint = self._requested(call, existing)
        if existing is None:
            self._keys.create(endpoint_id)
            self._default_roles.grant_serving_roles(endpoint)
        return self._provision(endpoint, existing, call.principal)

    async def _patch(self, call: Call) -> Response:
        """Change tags and identity, as in Azure, and refuse other changes. Traffic is changed by PUT."""
        existing = self._records.endpoint(call.path.text)
        self._records.refuse_while_busy(call.path.text)
        if set(call.body) - {"tags", "identity"}:
            raise refused("Only the tags and the identity of an online endpoint can be patched; use PUT.")
        identity = {"identity": _identity(call)} if "identity" in call.body else {}
        return self._provision({**existing, **call.body, **identity}, existing, call.principal)

    async def _delete(self, call: Call) -> Response:
        endpoint_id = call.path.text
        if self._records.store.get(endpoint_id) is None:
            return Response(status_code=204)
        self._records.refuse_while_busy(endpoint_id)
        endpoint = self._records.set_state(endpoint_id, "Deleting")

        async def delete() -> None:
            for deployment in self._records.deployments(endpoint_id).values():
                await self._retire(deployment["id"])
            self._keys.forget(endpoint_id)
            self._forget(endpoint_id)
            self._default_roles.revoke(endpoint or {})
            self._records.hosts.forget(endpoint or {})

        headers = self._operations.begin(PROVISIONING_S, delete, f"delete endpoint {call.path.names[-1]}")
        return Response(status_code=202, headers=headers)

    async def _list_keys(self, call: Call) -> Response:
        return JSONResponse(self._keys.keys(self._records.endpoint(call.path.text)))

    async def _regenerate(self, call: Call) -> Response:
        endpoint = self._records.endpoint(call.path.text)
        self._keys.regenerate(endpoint, str(call.body.get("keyType")), call.body.get("keyValue"))

        async def done() -> None:
            return None

        headers = self._operations.begin(PROVISIONING_S, done, f"new key of {call.path.names[-1]}")
        return Response(status_code=202, headers=headers)

    async def _token(self, call: Call) -> Response:
        return JSONResponse(self._keys.token(self._records.endpoint(call.path.text), call.principal))

    def _requested(self, call: Call, existing: Document | None) -> Document:
        """Return the endpoint that the request describes. Raise AzureError 400 if Azure would refuse it."""
        given, before = call.properties, (existing or {}).get("properties", {})
        mode = given.get("authMode") or before.get("authMode") or "Key"
        modes = {name.lower(): name for name in AUTH_MODES}
        if str(mode).lower() not in modes:
            raise refused(f"authMode is {mode!r}; it must be one of {', '.join(AUTH_MODES)}.")
        deployments = self._records.deployments(call.path.text)
        traffic = traffic_of(given, deployments)
        host = self._records.hosts.reserve(call.path.text)
        properties = {
            "authMode": modes[str(mode).lower()],
            "description": given.get("description"),
            "properties": given.get("properties") or {},
            "publicNetworkAccess": given.get("publicNetworkAccess") or "Enabled",
            "traffic": traffic,
            "mirrorTraffic": mirror_of(given, deployments, traffic),
            "scoringUri": f"https://{host}/score",
            "swaggerUri": f"https://{host}/swagger.json",
            "compute": None,
        }
        return {
            **resource(call.path.text, properties),
            "location": call.body.get("location") or LOCATION,
            "kind": "Managed",
            "tags": call.body.get("tags") or {},
            "identity": _identity(call),
            **({"sku": call.body["sku"]} if call.body.get("sku") else {}),
        }

    def _provision(self, endpoint: Document, existing: Document | None, by: Principal) -> Response:
        """Start the operation that creates or updates the endpoint.

        New properties, such as traffic, take effect when the operation ends.
        """
        label = f"{'update' if existing else 'create'} endpoint {endpoint['name']}"
        state = "Updating" if existing else "Creating"
        system_data = (existing or {}).get("systemData", {})
        endpoint = with_system_data({**endpoint, "systemData": system_data}, self._scheduler.now(), by.name)
        meanwhile = {**endpoint, **({"properties": existing["properties"]} if existing else {})}
        self._records.store.put(endpoint["id"], _in_state(meanwhile, state))

        async def done() -> None:
            self._records.store.put(endpoint["id"], _in_state(endpoint, "Succeeded"))

        headers = self._operations.begin(PROVISIONING_S, done, label)
        return JSONResponse(_in_state(endpoint, state), status_code=200 if existing else 201, headers=headers)


def _identity(call: Call) -> Document | None:
    """Return the identity of the endpoint with its object ids. Azure gives it one of its own by default."""
    return with_object_ids(call.path.text, call.body.get("identity") or {"type": "SystemAssigned"})


def _in_state(endpoint: Document, state: str) -> Document:
    return {**endpoint, "properties": {**endpoint["properties"], "provisioningState": state}}
