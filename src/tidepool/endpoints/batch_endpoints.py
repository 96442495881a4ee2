"""Batch endpoints and their deployments as ARM resources: created, changed, listed and deleted."""

from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse, Response

from tidepool.arm.operations import POLL, Operations
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.references import References
from tidepool.default_resources import LOCATION
from tidepool.endpoints.batch_records import BatchRecords
from tidepool.endpoints.rules import check_name, entry_script, refused
from tidepool.scheduler import Scheduler
from tidepool.store import Document

_PROVISIONING_S = 0.05
_MODEL_DEFAULTS: Document = {
    "outputAction": "AppendRow",
    "outputFileName": "predictions.csv",
    "miniBatchSize": 10,
    "errorThreshold": -1,
    "maxConcurrencyPerInstance": 1,
    "loggingLevel": "Info",
    "environmentVariables": {},
    "properties": {},
}


class BatchEndpoints:
    """The routes of batch endpoints and of their deployments."""

    def __init__(
        self, *, records: BatchRecords, scheduler: Scheduler, operations: Operations, references: References
    ) -> None:
        self._records = records
        self._scheduler = scheduler
        self._operations = operations
        self._references = references

    def routes(self) -> Routes:
        endpoints, deployments = (
            kind("workspaces", "batchEndpoints"),
            kind("workspaces", "batchEndpoints", "deployments"),
        )
        return {
            (endpoints, "LIST"): self._list,
            (endpoints, "GET"): self._get,
            (endpoints, "PUT"): self._put,
            (endpoints, "DELETE"): self._delete,
            (deployments, "LIST"): self._list_deployments,
            (deployments, "GET"): self._get_deployment,
            (deployments, "PUT"): self._put_deployment,
            (deployments, "DELETE"): self._delete_deployment,
        }

    async def _list(self, call: Call) -> Response:
        children = self._records.store.children(f"{call.path.root}/batchEndpoints")
        return listed([endpoint for _, endpoint in children], call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._records.endpoint(call.path.text), headers=POLL)

    async def _put(self, call: Call) -> Response:
        """Create or replace an endpoint. Its default deployment must exist."""
        if self._records.store.get(call.path.text) is None:
            check_name(call.path.names[-1], "endpoint")
        given = {name: value for name, value in call.properties.items() if value is not None}
        default = (given.get("defaults") or {}).get("deploymentName")
        if default and default not in self._records.deployments(call.path.text):
            raise refused(f"The default deployment '{default}' does not exist.", "DeploymentNotFound")
        host = self._records.hosts.reserve(call.path.text)
        properties = {
            "description": None,
            "properties": {},
            **given,
            "defaults": {"deploymentName": default},
            "authMode": "AADToken",
            "scoringUri": f"https://{host}/jobs",
            "swaggerUri": None,
        }
        return self._provision(call, properties)

    async def _delete(self, call: Call) -> Response:
        if self._records.store.get(call.path.text) is None:
            return Response(status_code=204)
        endpoint = self._records.endpoint(call.path.text)

        async def delete() -> None:
            self._records.hosts.forget(endpoint)

        return self._begin(delete, f"delete batch endpoint {endpoint['name']}")

    async def _list_deployments(self, call: Call) -> Response:
        endpoint_id = call.path.text.rpartition("/")[0]
        self._records.endpoint(endpoint_id)
        return listed(list(self._records.deployments(endpoint_id).values()), call.query, call.url)

    async def _get_deployment(self, call: Call) -> Response:
        return JSONResponse(self._records.deployment(call.path.text), headers=POLL)

    async def _put_deployment(self, call: Call) -> Response:
        """Create or replace a deployment of a model or of a pipeline component."""
        self._records.endpoint(call.path.text.rpartition("/deployments/")[0])
        check_name(call.path.names[-1], "deployment")
        given = {name: value for name, value in call.properties.items() if value is not None}
        self._references.check(call.path.root, given)
        configuration = given.get("deploymentConfiguration")
        if configuration is None:
            self._check_model(given, call.path.root)
        elif not (configuration.get("componentId") or {}).get("assetId"):
            raise refused("A pipeline deployment needs a value for 'componentId'.")
        properties = {**(_MODEL_DEFAULTS if configuration is None else {"properties": {}}), **given}
        return self._provision(call, properties)

    async def _delete_deployment(self, call: Call) -> Response:
        if self._records.store.get(call.path.text) is None:
            return Response(status_code=204)
        deployment_id = call.path.text
        endpoint = self._records.endpoint(deployment_id.rpartition("/deployments/")[0])
        if (endpoint["properties"].get("defaults") or {}).get("deploymentName") == call.path.names[-1]:
            raise refused(
                f"The deployment '{call.path.names[-1]}' is the default deployment of '{endpoint['name']}'. "
                "Make another one the default first.",
                "DefaultDeployment",
            )

        async def delete() -> None:
            self._records.store.delete(deployment_id)

        return self._begin(delete, f"delete batch deployment {call.path.names[-1]}")

    def _check_model(self, properties: Document, root: str) -> None:
        """Raise UserError if a model deployment cannot run."""
        if not properties.get("compute"):
            raise refused("A batch deployment of a model needs a value for 'compute'.")
        entry_script(properties, self._records.model(properties, root))

    def _provision(self, call: Call, properties: Document) -> Response:
        existing = self._records.store.get(call.path.text)
        state = "Updating" if existing else "Creating"
        document = {
            **resource(call.path.text, {**properties, "provisioningState": state}),
            "location": call.body.get("location") or LOCATION,
            "tags": call.body.get("tags") or {},
            **{name: call.body[name] for name in ("kind", "identity") if call.body.get(name)},
            "systemData": (existing or {}).get("systemData", {}),
        }
        document = with_system_data(document, self._scheduler.now(), call.principal.name)
        self._records.store.put(call.path.text, document)
        done = {**document, "properties": {**document["properties"], "provisioningState": "Succeeded"}}

        async def finish() -> None:
            if self._records.store.get(document["id"]):
                self._records.store.put(document["id"], done)

        label = f"provision {document['name']}"
        headers = self._operations.begin(_PROVISIONING_S, finish, label)
        return JSONResponse(document, status_code=200 if existing else 201, headers=headers)

    def _begin(self, action: Callable[[], Awaitable[None]], label: str) -> Response:
        headers = self._operations.begin(_PROVISIONING_S, action, label)
        return Response(status_code=202, headers=headers)
