"""The run of a deployment: its resources are made one after the other, and each has an operation."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.responses import Response

from tidepool.access.principals import Principal
from tidepool.arm.operations import Operations
from tidepool.arm.requests import Call, parse
from tidepool.arm.templates import Template, TemplateResource
from tidepool.errors import AzureError
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

# Sends a request to Azure Resource Manager as a principal: (principal, method, path, body).
Send = Callable[[Principal, str, str, Document], Awaitable[Response]]
_FAILED = (
    "At least one resource deployment operation failed. Please list deployment operations for details. "
    "Please see https://aka.ms/arm-deployment-operations for usage details."
)


class DeploymentRuns:
    """The runs of deployments, by requests to Azure Resource Manager as the one who deploys."""

    def __init__(self, *, store: Store, scheduler: Scheduler, operations: Operations, send: Send) -> None:
        self._store = store
        self._scheduler = scheduler
        self._operations = operations
        self._send = send

    async def run(self, call: Call, template: Template) -> Document | None:
        """Make the resources of a template, then its outputs. Return the error of the deployment, if any."""
        started = self._scheduler.now()
        made, error = [], None
        outputs: Document = {}
        try:
            for number, item in enumerate(template.resources):
                await self._make(call, template, item, number)
                made.append({"id": item.id})
            outputs = await template.output_values()
        except AzureError as cause:
            details = [{"code": cause.code, "message": cause.message}]
            error = {"code": "DeploymentFailed", "message": _FAILED, "details": details}
        document = existing_deployment(self._store, call.path.text)
        document["properties"] |= {
            "provisioningState": "Failed" if error else "Succeeded",
            "duration": _duration(started, self._scheduler.now()),
            "outputs": outputs,
            "outputResources": made,
            **({"error": error} if error else {}),
        }
        self._store.put(call.path.text, document)
        return error

    async def _make(self, call: Call, template: Template, item: TemplateResource, number: int) -> None:
        started = self._scheduler.now()
        record: Document = {
            "provisioningOperation": "Create",
            "provisioningState": "Running",
            "targetResource": {"id": item.id, "resourceType": item.type, "resourceName": item.name},
        }
        self._record(call, number, record, started)
        try:
            body = await template.body(item)
            response = await self._send(call.principal, "PUT", item.id, body)
            await self._operations.wait(response.headers.get("Azure-AsyncOperation", ""))
        except AzureError as error:
            message = {"error": {"code": error.code, "message": error.message}}
            failed = {
                "provisioningState": "Failed",
                "statusCode": str(error.status),
                "statusMessage": message,
            }
            self._record(call, number, {**record, **failed}, started)
            raise
        self._record(call, number, {**record, "provisioningState": "Succeeded", "statusCode": "OK"}, started)

    def _record(self, call: Call, number: int, properties: Document, started: datetime) -> None:
        now = self._scheduler.now()
        operation = f"{call.path.text}/operations/{number:04d}"
        timed = {**properties, "timestamp": moment(now), "duration": _duration(started, now)}
        self._store.put(operation, {"id": operation, "operationId": f"{number:04d}", "properties": timed})

    def read_as(self, principal: Principal) -> Callable[[str, str], Awaitable[Document]]:
        """Return the function that reads a resource for a template, with the rights of `principal`."""

        async def read(resource_id: str, action: str) -> Document:
            if action == "get":
                response = await self._send(principal, "GET", resource_id, {})
            else:
                response = await self._send(principal, "POST", f"{resource_id}/{action}", {})
            document: Document = json.loads(bytes(response.body))
            return document

        return read


def existing_deployment(store: Store, path: str) -> Document:
    """Return the record of a deployment. Raise AzureError 404 if there is none."""
    document = store.get(path)
    if document is None:
        raise AzureError(
            404, "DeploymentNotFound", f"Deployment '{parse(path).names[0]}' could not be found."
        )
    return document


def moment(at: datetime) -> str:
    """Return a time as Azure Resource Manager writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _duration(start: datetime, end: datetime) -> str:
    return f"PT{(end - start).total_seconds():.7f}S"
