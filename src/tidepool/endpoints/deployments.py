"""Deployments of online endpoints as ARM resources: created, replaced, scaled and deleted, and their logs."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.operations import POLL, Operations
from tidepool.arm.requests import Call, Routes, kind, listed, name_in, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.model_events import ModelEvents
from tidepool.azureml.references import References
from tidepool.default_resources import LOCATION
from tidepool.endpoints.records import EndpointRecords, endpoint_of, workspace_of
from tidepool.endpoints.rules import (
    MAX_DEPLOYMENTS,
    check_deployment,
    check_name,
    entry_script,
    refused,
)
from tidepool.endpoints.serving import Serving
from tidepool.endpoints.serving_process import ServingError
from tidepool.faults import Faults
from tidepool.scheduler import Scheduler
from tidepool.store import Document

PROVISIONING_S = 0.05  # Azure takes 10 to 20 minutes
_DEFAULTS: Document = {
    "endpointComputeType": "Managed",
    "description": None,
    "properties": {},
    "environmentVariables": {},
    "appInsightsEnabled": False,
    "egressPublicNetworkAccess": "Enabled",
    "scaleSettings": {"scaleType": "Default"},
}


class Deployments:
    """The routes of deployments. `serving` runs their processes."""

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        records: EndpointRecords,
        scheduler: Scheduler,
        operations: Operations,
        references: References,
        serving: Serving,
        faults: Faults,
        events: ModelEvents,
    ) -> None:
        self._records = records
        self._scheduler = scheduler
        self._operations = operations
        self._references = references
        self._serving = serving
        self._faults = faults
        self._events = events

    def routes(self) -> Routes:
        deployments = kind("workspaces", "onlineEndpoints", "deployments")
        return {
            (deployments, "LIST"): self._list,
            (deployments, "GET"): self._get,
            (deployments, "PUT"): self._put,
            (deployments, "PATCH"): self._patch,
            (deployments, "DELETE"): self._delete,
            (deployments, "getlogs"): self._logs,
            (f"{deployments}/skus", "LIST"): self._skus,
        }

    async def _list(self, call: Call) -> Response:
        endpoint_id = endpoint_of(call.path.text)
        self._records.endpoint(endpoint_id)
        return listed(list(self._records.deployments(endpoint_id).values()), call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._records.deployment(call.path.text), headers=POLL)

    async def _put(self, call: Call) -> Response:
        deployment_id, name = call.path.text, call.path.names[-1]
        endpoint_id = endpoint_of(deployment_id)
        self._records.refuse_while_busy(endpoint_id)
        others = self._records.deployments(endpoint_id)
        if name not in others:
            check_name(name, "deployment")
            if len(others) >= MAX_DEPLOYMENTS:
                raise refused(f"An online endpoint has at most {MAX_DEPLOYMENTS} deployments.", "Quota")
        existing = self._records.store.get(deployment_id)
        return self._provision(self._requested(call, existing), new=existing is None)

    async def _patch(self, call: Call) -> Response:
        """Change the tags and the number of instances, as in Azure, and refuse other changes."""
        existing = self._records.deployment(call.path.text)
        self._records.refuse_while_busy(endpoint_of(call.path.text))
        if set(call.body) - {"tags", "sku"}:
            raise refused("Only the tags and the sku of a deployment can be patched; use PUT.")
        deployment = {**existing, **call.body, "sku": {**existing["sku"], **(call.body.get("sku") or {})}}
        check_deployment(deployment["properties"], deployment["sku"])
        self._records.store.put(deployment["id"], deployment)
        self._records.set_state(deployment["id"], "Updating")

        async def done() -> None:
            self._records.set_state(deployment["id"], "Succeeded")

        headers = self._operations.begin(PROVISIONING_S, done, f"scale deployment {deployment['name']}")
        return JSONResponse(self._records.deployment(deployment["id"]), status_code=202, headers=headers)

    async def _delete(self, call: Call) -> Response:
        deployment_id, name = call.path.text, call.path.names[-1]
        endpoint_id = endpoint_of(deployment_id)
        if self._records.store.get(deployment_id) is None:
            return Response(status_code=204)
        self._records.refuse_while_busy(endpoint_id)
        properties = self._records.endpoint(endpoint_id)["properties"]
        for key in ("traffic", "mirrorTraffic"):
            if share := properties[key].get(name):
                raise refused(
                    f"The deployment '{name}' cannot be deleted: its {key} is {share} %. Set it to 0 first.",
                    "DeploymentHasTraffic",
                )
        self._records.set_state(deployment_id, "Deleting")

        async def delete() -> None:
            await self._serving.retire(deployment_id)
            self._records.store.delete(deployment_id)

        headers = self._operations.begin(PROVISIONING_S, delete, f"delete deployment {name}")
        return Response(status_code=202, headers=headers)

    async def _logs(self, call: Call) -> Response:
        self._records.deployment(call.path.text)
        container = call.body.get("containerType") or "InferenceServer"
        return JSONResponse({"content": self._serving.log(call.path.text, container, call.body.get("tail"))})

    async def _skus(self, call: Call) -> Response:
        self._records.deployment(call.path.text.rpartition("/")[0])
        capacity = {"minimum": 1, "default": 1, "maximum": 20, "scaleType": "Automatic"}
        sku = {"name": "Default", "tier": "Standard"}
        resource_type = f"{call.path.provider}/workspaces/onlineEndpoints/deployments"
        return JSONResponse({"value": [{"resourceType": resource_type, "sku": sku, "capacity": capacity}]})

    def _requested(self, call: Call, existing: Document | None) -> Document:
        """Return the deployment that the request describes. Raise AzureError 400 if Azure would refuse it."""
        given = {name: value for name, value in call.properties.items() if value is not None}
        properties = {**_DEFAULTS, **given}
        sku = {"name": "Default", "capacity": 1, **(call.body.get("sku") or {})}
        check_deployment(properties, sku)
        self._references.check(call.path.root, properties)
        deployment = resource(
            call.path.text,
            properties,
            location=call.body.get("location") or LOCATION,
            kind="Managed",
            sku=sku,
            tags=call.body.get("tags") or {},
        )
        entry_script(properties, self._records.model(deployment))
        system_data = (existing or {}).get("systemData", {})
        return with_system_data(
            {**deployment, "systemData": system_data}, self._scheduler.now(), call.principal.name
        )

    def _provision(self, deployment: Document, *, new: bool) -> Response:
        deployment["properties"]["provisioningState"] = "Creating" if new else "Updating"
        self._records.store.put(deployment["id"], deployment)
        delay_s = self._faults.value("provisioning", "delay", facts_of(deployment["id"]))

        async def done() -> Document | None:
            error = await self._serve(deployment)
            self._records.set_state(deployment["id"], "Failed" if error else "Succeeded")
            if error is None:
                await self._announce(deployment)
            return error

        headers = self._operations.begin(
            PROVISIONING_S if delay_s is None else delay_s,
            done,
            f"provision deployment {deployment['name']}",
        )
        return JSONResponse(deployment, status_code=201 if new else 200, headers=headers)

    async def _serve(self, deployment: Document) -> Document | None:
        """Start the process of a deployment. Return the error of the operation if the start fails."""
        facts = facts_of(deployment["id"])
        if self._faults.value("provisioning", "fail", facts) is not None:
            return {
                "code": "ResourceNotReady",
                "message": "A fault rule of Tidepool made this deployment fail.",
            }
        try:
            await self._serving.deploy(deployment)
        except ServingError as error:
            return {"code": error.code, "message": str(error)}
        return None

    async def _announce(self, deployment: Document) -> None:
        model = self._records.model(deployment)
        model_id = f"{model['id'].split('/')[-3]}:{model['name']}" if model else ""
        workspace_id, endpoint = workspace_of(deployment["id"]), name_in(deployment["id"], "onlineEndpoints")
        await self._events.deployed(workspace_id, endpoint, model_id, deployment)


def facts_of(deployment_id: str) -> dict[str, str]:
    """Return the facts about a deployment that fault rules can match."""
    return {
        "workspace": name_in(deployment_id, "workspaces"),
        "endpoint": name_in(deployment_id, "onlineEndpoints"),
        "deployment": name_in(deployment_id, "deployments"),
    }
