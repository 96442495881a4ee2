"""Computes of a workspace: provision, resize, start, stop and delete them."""

import re

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import with_object_ids
from tidepool.arm.operations import POLL, Finish, Operations
from tidepool.arm.requests import Call, Handler, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.vm_sizes import VM_SIZES, Quota, check_quota, sizes, usages
from tidepool.default_resources import LOCATION, SUBSCRIPTION
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

PROVISIONING_S = 0.05
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
# action -> (state during the operation, state after the operation)
_ACTIONS = {
    "start": ("Starting", "Running"),
    "stop": ("Stopping", "Stopped"),
    "restart": ("Restarting", "Running"),
}
_TYPES = ("AmlCompute", "ComputeInstance")


class Computes:
    """The routes of computes. A new compute is `Creating`, and `Succeeded` after the provisioning time.

    `quota` returns the quota of a family of VM sizes and a tier if it is not the usual one.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        operations: Operations,
        default_roles: DefaultRoles,
        quota: Quota,
    ) -> None:
        self._store = store
        self._quota = quota
        self._scheduler = scheduler
        self._operations = operations
        self._default_roles = default_roles

    def routes(self) -> Routes:
        computes = kind("workspaces", "computes")
        actions: Routes = {(computes, action): self._act(action) for action in _ACTIONS}
        return {
            (computes, "LIST"): self._list,
            (computes, "GET"): self._get,
            (computes, "PUT"): self._put,
            (computes, "PATCH"): self._put,
            (computes, "DELETE"): self._delete,
            (computes, "listnodes"): self._nodes,
            (kind("locations", "vmSizes"), "LIST"): self._sizes,
            (kind("locations", "usages"), "LIST"): self._usages,
            **actions,
        }

    async def _list(self, call: Call) -> Response:
        documents = [document for _, document in self._store.children(f"{call.path.root}/computes")]
        return listed(documents, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call), headers=POLL)

    async def _put(self, call: Call) -> Response:
        existing = self._store.get(call.path.text)
        properties = _requested(call, existing)
        if properties["computeType"] == "AmlCompute":
            check_quota(call.path.names[-1], properties["properties"], self._quota)
        document = resource(
            call.path.text,
            {**properties, "provisioningState": "Updating" if existing else "Creating"},
            location=_location(call, existing),
            tags=call.body.get("tags") or (existing or {}).get("tags") or {},
            identity=with_object_ids(call.path.text, call.body.get("identity"))
            or (existing or {}).get("identity"),
        )
        document = with_system_data(
            {**document, "systemData": (existing or {}).get("systemData", {})},
            self._scheduler.now(),
            call.principal.name,
        )
        self._store.put(call.path.text, document)
        if not (existing or {}).get("identity"):
            self._default_roles.grant_cluster_roles(document)
        headers = self._operations.begin(
            PROVISIONING_S, self._provisioned(call.path.text), f"provision {call.path.names[-1]}"
        )
        return JSONResponse(document, status_code=200 if existing else 201, headers=headers)

    async def _delete(self, call: Call) -> Response:
        document = self._existing(call)
        document["properties"]["provisioningState"] = "Deleting"
        self._store.put(call.path.text, document)

        async def finish() -> None:
            self._store.delete(call.path.text)
            self._default_roles.revoke(document)

        headers = self._operations.begin(PROVISIONING_S, finish, f"delete {call.path.names[-1]}")
        return Response(status_code=202, headers=headers)

    def _act(self, action: str) -> Handler:
        transitional, final = _ACTIONS[action]

        async def act(call: Call) -> Response:
            document = self._existing(call)
            if document["properties"]["computeType"] != "ComputeInstance":
                raise UserError(
                    400,
                    f"'{action}' needs a compute instance, and '{call.path.names[-1]}' "
                    "is not a compute instance. "
                    "A cluster starts and stops its nodes itself.",
                    "BadArgument",
                )
            self._set_state(call.path.text, transitional)
            finish = self._provisioned(call.path.text, final)
            return Response(
                status_code=202,
                headers=self._operations.begin(PROVISIONING_S, finish, f"{action} {call.path.names[-1]}"),
            )

        return act

    async def _nodes(self, call: Call) -> Response:
        self._existing(call)
        return JSONResponse({"nodes": []})

    async def _sizes(self, _call: Call) -> Response:
        return JSONResponse({"value": sizes()})

    async def _usages(self, _call: Call) -> Response:
        return JSONResponse({"value": usages(SUBSCRIPTION, self._quota)})

    def _provisioned(self, path: str, state: str = "Running") -> Finish:
        async def finish() -> None:
            document = self._store.get(path)
            if document is None:
                return
            document["properties"]["provisioningState"] = "Succeeded"
            self._store.put(path, document)
            if document["properties"]["computeType"] == "ComputeInstance":
                self._set_state(path, state)

        return finish

    def _set_state(self, path: str, state: str) -> None:
        document = self._store.get(path)
        if document is not None:
            document["properties"].setdefault("properties", {})["state"] = state
            self._store.put(path, document)

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise missing("compute", call.path.names[1], root=call.path.root, status=404)
        return document


def _requested(call: Call, existing: Document | None) -> Document:
    """Return the properties that a compute has after this request.

    Raise AzureError 400 if Azure would refuse the request.
    """
    changes, before = call.properties, (existing or {}).get("properties", {})
    inner = {**(before.get("properties") or {}), **(changes.get("properties") or {})}
    requested = {
        **before,
        **changes,
        "properties": inner,
        "computeLocation": changes.get("computeLocation") or _location(call, existing),
        "isAttachedCompute": False,
    }
    name = call.path.names[-1]
    if not _NAME.fullmatch(name):
        raise UserError(
            400,
            f"The compute name '{name}' is not valid: "
            "use 3 to 32 letters, digits and '-', and begin with a letter.",
            "BadArgument",
        )
    if requested.get("computeType") not in _TYPES:
        raise UserError(
            400,
            f"computeType is {requested.get('computeType')!r}; it must be one of {', '.join(_TYPES)}.",
            "BadArgument",
        )
    if requested["computeType"] == "AmlCompute":
        requested["properties"] = _cluster(inner, before.get("properties") or {})
    return requested


def _location(call: Call, existing: Document | None) -> str:
    location = call.body.get("location") or (existing or {}).get("location")
    return str(location or LOCATION)


def _cluster(requested: Document, before: Document) -> Document:
    size = str(requested.get("vmSize") or "")
    if size.upper() not in VM_SIZES:
        raise UserError(
            400,
            f"The VM size '{size}' is not available in {LOCATION}. Choose one that vmSizes lists.",
            "BadArgument",
            "VmSizeNotAvailable",
        )
    if before and before["vmSize"].upper() != size.upper():
        raise UserError(
            400,
            f"The VM size of a cluster cannot change ('{before['vmSize']}' to '{size}'). "
            "Create another cluster.",
            "Immutable",
        )
    scale = {
        "minNodeCount": 0,
        "nodeIdleTimeBeforeScaleDown": "PT120S",
        **(requested.get("scaleSettings") or {}),
    }
    if not 0 <= scale["minNodeCount"] <= scale.get("maxNodeCount", 1):
        raise UserError(
            400,
            f"minNodeCount is {scale['minNodeCount']}: it must be from 0 to {scale.get('maxNodeCount')}.",
            "BadArgument",
        )
    return {
        "vmPriority": "Dedicated",
        "osType": "Linux",
        "remoteLoginPortPublicAccess": "NotSpecified",
        "allocationState": "Steady",
        **requested,
        "scaleSettings": {"maxNodeCount": 1, **scale},
        "currentNodeCount": scale["minNodeCount"],
        "targetNodeCount": scale["minNodeCount"],
    }
