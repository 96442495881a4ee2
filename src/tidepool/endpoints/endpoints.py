"""Online endpoints as ARM resources: made, given traffic, listed, deleted; their keys and tokens."""

from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import Principal, guid
from tidepool.arm.operations import POLL, Operations
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.default_resources import LOCATION, TENANT
from tidepool.endpoints.keys import EndpointKeys
from tidepool.endpoints.records import EndpointRecords
from tidepool.endpoints.rules import AUTH_MODES, check_name, mirror_of, refused, traffic_of
from tidepool.scheduler import Scheduler
from tidepool.store import Document

PROVISIONING_S = 0.05  # Azure needs a minute or two

Retire = Callable[[str], Awaitable[None]]
Forget = Callable[[str], None]


class Endpoints:
    """The routes of online endpoints. `retire` ends what serves a deployment, `forget` its metrics."""

    def __init__(  # noqa: PLR0913  # what an endpoint touches
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
        documents = [one for _, one in self._records.store.children(f"{call.path.root}/onlineEndpoints")]
        return listed(documents, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._records.endpoint(call.path.text), headers=POLL)

    async def _put(self, call: Call) -> Response:
        """Create, or replace all that is said about it: traffic that is not in the body ends."""
        endpoint_id = call.path.text
        found = self._records.store.get(endpoint_id)
        if found is None:
            check_name(call.path.names[-1], "endpoint")
        else:
            self._records.refuse_while_busy(endpoint_id)
        wanted = self._wanted(call, found)
        if found is None:
            self._keys.create(endpoint_id)
            self._default_roles.grant_serving_roles(wanted)
        return self._provision(wanted, found, call.principal)

    async def _patch(self, call: Call) -> Response:
        """Tags and identity only, as in Azure; traffic is changed by PUT."""
        found = self._records.endpoint(call.path.text)
        self._records.refuse_while_busy(call.path.text)
        if set(call.body) - {"tags", "identity"}:
            raise refused("Only the tags and the identity of an online endpoint can be patched; use PUT.")
        return self._provision({**found, **call.body}, found, call.principal)

    async def _delete(self, call: Call) -> Response:
        endpoint_id = call.path.text
        if self._records.store.get(endpoint_id) is None:
            return Response(status_code=204)
        self._records.refuse_while_busy(endpoint_id)
        endpoint = self._records.set_state(endpoint_id, "Deleting")

        async def gone() -> None:
            for deployment in self._records.deployments(endpoint_id).values():
                await self._retire(deployment["id"])
            self._keys.forget(endpoint_id)
            self._forget(endpoint_id)
            self._default_roles.revoke(endpoint or {})
            self._records.forget(endpoint or {})

        headers = self._operations.begin(PROVISIONING_S, gone, f"delete endpoint {call.path.names[-1]}")
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

    def _wanted(self, call: Call, found: Document | None) -> Document:
        """The endpoint after this request; AzureError 400 for what Azure refuses."""
        given, before = call.properties, (found or {}).get("properties", {})
        mode = given.get("authMode") or before.get("authMode") or "Key"
        modes = {name.lower(): name for name in AUTH_MODES}
        if str(mode).lower() not in modes:
            raise refused(f"authMode is {mode!r}; it must be one of {', '.join(AUTH_MODES)}.")
        deployments = self._records.deployments(call.path.text)
        traffic = traffic_of(given, deployments)
        host = self._records.host(call.path.text)
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
            "identity": _identified(call),
        }

    def _provision(self, wanted: Document, found: Document | None, by: Principal) -> Response:
        """What was asked for holds when the operation has ended; until then it is as it was."""
        label = f"{'update' if found else 'create'} endpoint {wanted['name']}"
        state = "Updating" if found else "Creating"
        system = (found or {}).get("systemData", {})
        wanted = with_system_data({**wanted, "systemData": system}, self._scheduler.now(), by.name)
        meanwhile = {**wanted, **({"properties": found["properties"]} if found else {})}
        self._records.store.put(wanted["id"], _in_state(meanwhile, state))

        async def done() -> None:
            self._records.store.put(wanted["id"], _in_state(wanted, "Succeeded"))

        headers = self._operations.begin(PROVISIONING_S, done, label)
        return JSONResponse(_in_state(wanted, state), status_code=200 if found else 201, headers=headers)


def _identified(call: Call) -> Document:
    """With the object id that Azure gives to an identity of its own."""
    asked: Document = call.body.get("identity") or {"type": "SystemAssigned"}
    if "SystemAssigned" not in str(asked.get("type")):
        return asked
    return {**asked, "principalId": guid(call.path.text.lower()), "tenantId": TENANT}


def _in_state(endpoint: Document, state: str) -> Document:
    return {**endpoint, "properties": {**endpoint["properties"], "provisioningState": state}}
