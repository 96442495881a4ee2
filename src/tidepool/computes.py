"""Computes of a workspace: provisioned, resized, started, stopped and deleted in time. Runs no job."""

import re

from starlette.responses import JSONResponse, Response

from tidepool.arm import Call, Handler, Routes, kind, listed, resource
from tidepool.estate import LOCATION
from tidepool.ml_errors import UserError, missing
from tidepool.operations import POLL, Finish, Operations
from tidepool.scheduler import Scheduler
from tidepool.stamps import stamp
from tidepool.store import Document, Store

PROVISIONING_S = 0.05
QUOTA = 300  # vCPUs of each VM family
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
# action -> (state on the way, state at the end)
_ACTIONS = {
    "start": ("Starting", "Running"),
    "stop": ("Stopping", "Stopped"),
    "restart": ("Restarting", "Running"),
}
_TYPES = ("AmlCompute", "ComputeInstance", "Kubernetes", "VirtualMachine", "SynapseSpark")
# https://learn.microsoft.com/azure/machine-learning/concept-compute-target: (vCPUs, GPUs)
VM_SIZES = {
    "STANDARD_DS2_V2": (2, 0),
    "STANDARD_DS3_V2": (4, 0),
    "STANDARD_DS11_V2": (2, 0),
    "STANDARD_DS12_V2": (4, 0),
    "STANDARD_D2S_V3": (2, 0),
    "STANDARD_D4S_V3": (4, 0),
    "STANDARD_D16S_V3": (16, 0),
    "STANDARD_E4S_V3": (4, 0),
    "STANDARD_F4S_V2": (4, 0),
    "STANDARD_NC6": (6, 1),
    "STANDARD_NC6S_V3": (6, 1),
    "STANDARD_NC12S_V3": (12, 2),
    "STANDARD_NC4AS_T4_V3": (4, 1),
    "STANDARD_NC8AS_T4_V3": (8, 1),
    "STANDARD_NC16AS_T4_V3": (16, 1),
    "STANDARD_NC64AS_T4_V3": (64, 4),
    "STANDARD_NC24ADS_A100_V4": (24, 1),
    "STANDARD_ND40RS_V2": (40, 8),
}


class Computes:
    """The routes of computes. A new one is `Creating` first, and `Succeeded` when the scheduler says so."""

    def __init__(self, *, store: Store, scheduler: Scheduler, operations: Operations) -> None:
        self._store = store
        self._scheduler = scheduler
        self._operations = operations

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
        found = self._store.get(call.path.text)
        properties = _wanted(call, found)
        document = resource(
            call.path.text,
            {**properties, "provisioningState": "Updating" if found else "Creating"},
            location=call.body.get("location") or LOCATION,
            tags=call.body.get("tags") or (found or {}).get("tags") or {},
            identity=call.body.get("identity") or (found or {}).get("identity"),
        )
        document = stamp(
            {**document, "systemData": (found or {}).get("systemData", {})},
            self._scheduler.now(),
            call.principal.name,
        )
        self._store.put(call.path.text, document)
        headers = self._operations.begin(
            PROVISIONING_S, self._settle(call.path.text), f"provision {call.path.names[-1]}"
        )
        return JSONResponse(document, status_code=200 if found else 201, headers=headers)

    async def _delete(self, call: Call) -> Response:
        document = self._existing(call)
        document["properties"]["provisioningState"] = "Deleting"
        self._store.put(call.path.text, document)

        async def gone() -> None:
            self._store.delete(call.path.text)

        headers = self._operations.begin(PROVISIONING_S, gone, f"delete {call.path.names[-1]}")
        return Response(status_code=202, headers=headers)

    def _act(self, action: str) -> Handler:
        passing, final = _ACTIONS[action]

        async def act(call: Call) -> Response:
            document = self._existing(call)
            if document["properties"]["computeType"] != "ComputeInstance":
                raise UserError(
                    400,
                    f"'{action}' is for compute instances; '{call.path.names[-1]}' is none.",
                    "BadArgument",
                )
            self._set_state(call.path.text, passing)
            settle = self._settle(call.path.text, final)
            return Response(
                status_code=202,
                headers=self._operations.begin(PROVISIONING_S, settle, f"{action} {call.path.names[-1]}"),
            )

        return act

    async def _nodes(self, call: Call) -> Response:
        self._existing(call)
        return JSONResponse({"nodes": []})

    async def _sizes(self, _call: Call) -> Response:
        sizes = [
            {
                "name": name,
                "family": name.rpartition("_")[0],
                "vCPUs": cores,
                "gpus": gpus,
                "lowPriorityCapable": True,
            }
            for name, (cores, gpus) in VM_SIZES.items()
        ]
        return JSONResponse({"value": sizes})

    async def _usages(self, call: Call) -> Response:
        """The quota of every VM family: none of it is used, as far as anybody can tell here."""
        families = sorted({name.rpartition("_")[0] for name in VM_SIZES})
        usages = [
            {
                "id": f"{call.path.text}/{family}",
                "type": f"{call.path.provider}/usages",
                "unit": "Count",
                "currentValue": 0,
                "limit": QUOTA,
                "name": {"value": family, "localizedValue": family},
            }
            for family in families
        ]
        return JSONResponse({"value": usages})

    def _settle(self, path: str, state: str = "Running") -> Finish:
        async def settled() -> None:
            document = self._store.get(path)
            if document is None:
                return
            document["properties"]["provisioningState"] = "Succeeded"
            self._store.put(path, document)
            if document["properties"]["computeType"] == "ComputeInstance":
                self._set_state(path, state)

        return settled

    def _set_state(self, path: str, state: str) -> None:
        document = self._store.get(path)
        if document is not None:
            document["properties"].setdefault("properties", {})["state"] = state
            self._store.put(path, document)

    def _existing(self, call: Call) -> Document:
        found = self._store.get(call.path.text)
        if found is None:
            raise missing("compute", call.path.names[1], root=call.path.root, status=404)
        return found


def _wanted(call: Call, found: Document | None) -> Document:
    """The properties of a compute after this request; AzureError 400 for what Azure refuses."""
    given, before = call.properties, (found or {}).get("properties", {})
    inner = {**(before.get("properties") or {}), **(given.get("properties") or {})}
    wanted = {**before, **given, "properties": inner, "computeLocation": LOCATION, "isAttachedCompute": False}
    name = call.path.names[-1]
    if not _NAME.fullmatch(name):
        raise UserError(
            400,
            f"The compute name '{name}' is not valid: 3 to 32 letters, digits and '-', a letter first.",
            "BadArgument",
        )
    if wanted.get("computeType") not in _TYPES:
        raise UserError(
            400,
            f"computeType is {wanted.get('computeType')!r}; it must be one of {', '.join(_TYPES)}.",
            "BadArgument",
        )
    if wanted["computeType"] == "AmlCompute":
        wanted["properties"] = _cluster(inner, before.get("properties") or {})
    return wanted


def _cluster(wanted: Document, before: Document) -> Document:
    size = str(wanted.get("vmSize") or "")
    if size.upper() not in VM_SIZES:
        raise UserError(
            400, f"The VM size '{size}' is not available in {LOCATION}.", "BadArgument", "VmSizeNotAvailable"
        )
    if before and before["vmSize"].upper() != size.upper():
        raise UserError(
            400, f"The VM size of a cluster cannot change ('{before['vmSize']}' to '{size}').", "Immutable"
        )
    scale = {
        "minNodeCount": 0,
        "nodeIdleTimeBeforeScaleDown": "PT120S",
        **(wanted.get("scaleSettings") or {}),
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
        **wanted,
        "scaleSettings": {"maxNodeCount": 1, **scale},
        "currentNodeCount": scale["minNodeCount"],
        "targetNodeCount": scale["minNodeCount"],
    }
