"""Deployments of templates: Microsoft.Resources/deployments, with their operations."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.arm.deployment_runs import DeploymentRuns, Send, existing_deployment, moment
from tidepool.arm.operations import Operations
from tidepool.arm.requests import Call, Routes, kind, listed, name_in, resource
from tidepool.arm.resource_groups import group_document, group_id, group_names
from tidepool.arm.subscriptions import PROVIDER
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.arm.template_scope import TemplateScope
from tidepool.arm.templates import Template
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

IsEmulated = Callable[[str, str], bool]
_OLD_OPERATIONS = "microsoft.resources/subscriptions/resourcegroups/deployments/operations"
_KEPT = ("debugSetting", "validationLevel")


class Deployments:
    """The routes of deployments.

    The resources of a template are made one after the other, by the same requests that a client would send,
    with the identity of the one who deploys. `is_emulated` returns whether there is a route.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        operations: Operations,
        send: Send,
        is_emulated: IsEmulated,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._operations = operations
        self._runs = DeploymentRuns(store=store, scheduler=scheduler, operations=operations, send=send)
        self._is_emulated = is_emulated
        groups = [group_id(name) for name in group_names(store)]
        for root in (f"/subscriptions/{SUBSCRIPTION}", *groups):
            self._end_interrupted(f"{root}/providers/{PROVIDER}/deployments")

    def routes(self) -> Routes:
        deployments = kind("deployments", provider=PROVIDER)
        return {
            (deployments, "LIST"): self._list,
            (deployments, "GET"): self._get,
            (deployments, "PUT"): self._put,
            (deployments, "DELETE"): self._delete,
            (deployments, "validate"): self._validate,
            (kind("deployments", "operations", provider=PROVIDER), "LIST"): self._list_operations,
            # azure-ai-ml lists them at an older path, `.../resourceGroups/g/deployments/d/operations`.
            (_OLD_OPERATIONS, "LIST"): self._list_operations,
        }

    async def _list(self, call: Call) -> Response:
        return listed([item for _, item in self._store.children(call.path.text)], call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(existing_deployment(self._store, call.path.text))

    async def _delete(self, call: Call) -> Response:
        """Delete the record of a deployment, and keep the resources that it made."""
        existing_deployment(self._store, call.path.text)
        for path, _ in list(self._store.children(f"{call.path.text}/operations")):
            self._store.delete(path)
        self._store.delete(call.path.text)
        return Response(status_code=204)

    async def _list_operations(self, call: Call) -> Response:
        head, _, name = call.path.text.removesuffix("/operations").rpartition("/deployments/")
        root = head.removesuffix(f"/providers/{PROVIDER}")
        deployment = f"{root}/providers/{PROVIDER}/deployments/{name}"
        existing_deployment(self._store, deployment)
        items = [item for _, item in self._store.children(f"{deployment}/operations")]
        return listed(items, call.query, call.url)

    async def _validate(self, call: Call) -> Response:
        template = await self._template(call)
        properties = {
            "provisioningState": "Succeeded",
            "mode": "Incremental",
            "parameters": _shown(call.properties, template),
            "validatedResources": [{"id": item.id} for item in template.resources],
        }
        return JSONResponse(resource(call.path.text, properties))

    async def _put(self, call: Call) -> Response:
        template = await self._template(call)
        existing = self._store.get(call.path.text)
        if existing and existing["properties"]["provisioningState"] == "Running":
            raise AzureError(
                409,
                "DeploymentActive",
                f"The deployment '{call.path.names[0]}' is running and cannot change.",
            )
        for path, _ in list(self._store.children(f"{call.path.text}/operations")):
            self._store.delete(path)
        document = resource(
            call.path.text,
            {
                "provisioningState": "Running",
                "mode": "Incremental",
                "parameters": _shown(call.properties, template),
                "timestamp": moment(self._scheduler.now()),
                "correlationId": str(uuid.uuid4()),
                "duration": "PT0S",
                **{name: call.properties[name] for name in _KEPT if call.properties.get(name)},
            },
            tags=call.body.get("tags") or {},
        )
        self._store.put(call.path.text, document)

        async def finish() -> Document | None:
            return await self._runs.run(call, template)

        headers = self._operations.begin(0, finish, f"deployment {call.path.names[0]}")
        return JSONResponse(document, status_code=200 if existing else 201, headers=headers)

    async def _template(self, call: Call) -> Template:
        properties = call.properties
        if str(properties.get("mode") or "Incremental").lower() != "incremental":
            raise AzureError(
                501, "NotEmulated", "Tidepool does not emulate deployments of the mode Complete."
            )
        for link in ("templateLink", "parametersLink"):
            if properties.get(link):
                raise AzureError(
                    501, "NotEmulated", f"Tidepool does not emulate '{link}'. Send the template."
                )
        if not isinstance(properties.get("template"), dict):
            raise InvalidTemplateError("The deployment has no template.")
        self._check_types(properties["template"])
        name = name_in(call.path.scope, "resourceGroups")
        group = group_document(self._store, name) if name else {}
        scope = TemplateScope(
            root=call.path.scope,
            group=group,
            read=self._runs.read_as(call.principal),
            now=self._scheduler.now(),
        )
        return await Template.read(properties["template"], properties.get("parameters") or {}, scope)

    def _check_types(self, template: Mapping[str, Any]) -> None:
        """Raise AzureError 501 if a template without conditions names a type that Tidepool does not have."""
        for type_, conditional in _types(template.get("resources") or []):
            if not conditional and not self._is_emulated(type_, "PUT"):
                raise AzureError(
                    501, "NotEmulated", f"Tidepool does not emulate resources of the type '{type_}'."
                )

    def _end_interrupted(self, collection: str) -> None:
        for path, document in list(self._store.children(collection)):
            if document["properties"]["provisioningState"] == "Running":
                message = "Tidepool was restarted during this deployment."
                error = {"code": "DeploymentInterrupted", "message": message}
                document["properties"] |= {"provisioningState": "Failed", "error": error}
                self._store.put(path, document)


def _types(resources: list[Document], parent: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the type of each resource, and whether it is made under a condition or known only later."""
    for item in resources:
        type_ = str(item.get("type"))
        full = f"{parent}/{type_}" if parent and not type_.lower().startswith("microsoft.") else type_
        conditional = "condition" in item or type_.startswith("[")
        yield full, conditional
        if conditional:
            continue
        yield from _types(item.get("resources") or [], full)
        template = (item.get("properties") or {}).get("template")
        if isinstance(template, dict) and isinstance(template.get("resources"), list):
            yield from _types(template["resources"])


def _shown(properties: Document, template: Template) -> Document:
    """Return the values of the parameters, without those that are secret."""
    declared = properties["template"].get("parameters") or {}
    return {
        name: {"type": item["type"], "value": template.scope.parameters[name.lower()]}
        for name, item in declared.items()
        if not str(item["type"]).lower().startswith("secure")
    }
