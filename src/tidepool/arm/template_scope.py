"""What the expressions of a deployment template can ask for: its parameters, its variables, and Azure."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidepool.access.roles import ROLES
from tidepool.arm.cloud_endpoints import ENDPOINTS
from tidepool.arm.expressions import evaluate
from tidepool.arm.resource_ids import extension_resource_id, resource_id, subscription_resource_id
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.default_resources import SUBSCRIPTION, TENANT
from tidepool.store import Document

# Reads a resource: (id, "get" or the name of an action).
Read = Callable[[str, str], Awaitable[Document]]
_ENVIRONMENT = {  # https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-deployment
    **ENDPOINTS,
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/", "tenant": "common"},
}
_SUBSCRIPTION = {
    "id": f"/subscriptions/{SUBSCRIPTION}",
    "subscriptionId": SUBSCRIPTION,
    "tenantId": TENANT,
}


@dataclass
class TemplateScope:
    """What the expressions of one template can ask for.

    `root` is the id of the resource group or subscription of the deployment, and `group` describes the
    resource group. `names` gets the ids of the template's resources, by name.
    """

    root: str
    group: Document
    read: Read
    now: datetime
    raw_variables: Mapping[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _variables: dict[str, Any] = field(default_factory=dict)

    async def call(self, function: str, arguments: Sequence[Any]) -> Any:
        """Return the value of a function that depends on the deployment."""
        try:
            return await self._functions()[function](*arguments)
        except (TypeError, IndexError) as error:
            raise InvalidTemplateError(
                f"The template function '{function}' cannot take the arguments {list(arguments)!r}."
            ) from error

    def _functions(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        return {
            "parameters": _later(lambda name: self._named(self.parameters, name, "parameter")),
            "variables": self._variable,
            "subscription": _later(lambda: _SUBSCRIPTION),
            "tenant": _later(lambda: {"id": "/", "tenantId": TENANT}),
            "environment": _later(lambda: _ENVIRONMENT),
            "resourcegroup": _later(lambda: self.group),
            "resourceid": _later(lambda *arguments: resource_id(self.root, arguments)),
            "subscriptionresourceid": _later(lambda *arguments: subscription_resource_id(arguments)),
            "extensionresourceid": _later(lambda *arguments: extension_resource_id(arguments)),
            "roledefinitions": _later(_role_definition),
            "newguid": _later(lambda: str(uuid.uuid4())),
            "utcnow": _later(lambda pattern="yyyyMMddTHHmmssZ": _formatted(self.now, pattern)),
            "listkeys": lambda identifier, _api_version="": self.read(str(identifier), "listKeys"),
            "reference": self._reference,
        }

    async def _reference(self, name: str, _api_version: str = "", full: str = "") -> Any:
        document = await self.read(self.names.get(name.lower(), name), "get")
        return document if full.lower() == "full" else document.get("properties", {})

    async def _variable(self, name: str) -> Any:
        key = name.lower()
        if key not in self._variables:
            by_name = {name.lower(): value for name, value in self.raw_variables.items()}
            raw = self._named(by_name, key, "variable")
            self._variables[key] = await evaluate(raw, self)
        return self._variables[key]

    @staticmethod
    def _named(values: Mapping[str, Any], name: str, noun: str) -> Any:
        if name.lower() not in values:
            raise InvalidTemplateError(f"The template {noun} '{name}' is not found.")
        return values[name.lower()]


def _later(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        return function(*arguments)

    return call


def _role_definition(name: str) -> Document:
    for role in ROLES:
        if role.name.lower() == name.lower():
            return {"id": role.definition_id(SUBSCRIPTION), "roleDefinitionId": role.id}
    raise InvalidTemplateError(f"The role definition '{name}' is not found.")


def _formatted(moment: datetime, pattern: str) -> str:
    """Return a time in a format of .NET, as far as it has the parts of a date and a time of day."""
    for mark, code in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")):
        pattern = pattern.replace(mark, code)
    return moment.strftime(pattern)
