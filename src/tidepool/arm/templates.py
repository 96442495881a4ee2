"""A deployment template with its parameters: which resources it makes, in which order."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from tidepool.arm.expressions import calls, evaluate, evaluate_node, expressions
from tidepool.arm.resource_ids import resource_id
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.arm.template_parameters import parameter_values
from tidepool.arm.template_scope import TemplateScope
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError
from tidepool.store import Document

_DEPLOYMENT = "Microsoft.Resources/deployments"
_NOT_SENT = {
    *("type", "name", "apiVersion", "dependsOn", "condition", "scope", "resources", "comments"),
    *("copy", "resourceGroup", "subscriptionId"),
}


@dataclass(frozen=True)
class TemplateResource:
    """A resource of a template. `body` still has its expressions."""

    id: str
    name: str
    type: str
    depends_on: frozenset[str]
    body: Document


@dataclass(frozen=True)
class Template:
    """A template whose parameters have values. `resources` are in the order in which they can be made."""

    scope: TemplateScope
    resources: tuple[TemplateResource, ...]
    outputs: Document

    @classmethod
    async def read(cls, template: Document, given: Document, scope: TemplateScope) -> "Template":
        """Evaluate all that does not need the new resources.

        Raise InvalidTemplateError if the template is invalid, and AzureError 501 for what is not emulated.
        """
        _check(template)
        for _ in expressions(template):  # a function that Tidepool does not have is found before the start
            pass
        scope.raw_variables = template.get("variables") or {}
        await parameter_values(template.get("parameters") or {}, given, scope)
        resources = [item async for item in _included(template["resources"], scope)]
        return cls(scope, tuple(_in_order(resources)), template.get("outputs") or {})

    async def body(self, resource: TemplateResource) -> Document:
        """Return the body of the request that makes a resource, after all that it depends on was made."""
        body = dict(resource.body)
        nested = body.get("properties")
        if resource.type.lower() == _DEPLOYMENT.lower() and isinstance(nested, dict) and is_inner(nested):
            template = nested.get("template")
            rest = {key: value for key, value in nested.items() if key != "template"}
            properties = {**await evaluate(rest, self.scope), "template": template}
            return {**await evaluate({**body, "properties": {}}, self.scope), "properties": properties}
        evaluated: Document = await evaluate(body, self.scope)
        return evaluated

    async def output_values(self) -> Document:
        """Return the outputs, after all resources were made."""
        return {
            name: {"type": output.get("type"), "value": await evaluate(output.get("value"), self.scope)}
            for name, output in self.outputs.items()
            if await evaluate(output.get("condition", True), self.scope)
        }


def is_inner(properties: Document) -> bool:
    """Return whether a nested template has its own parameters and variables, not the outer's (default)."""
    options = properties.get("expressionEvaluationOptions") or {}
    return str(options.get("scope") or "outer").lower() == "inner"


def _check(template: Document) -> None:
    if "schema.management.azure.com" not in str(template.get("$schema")):
        raise InvalidTemplateError("The template needs a '$schema' of schema.management.azure.com.")
    if isinstance(template.get("resources"), dict) or template.get("languageVersion"):
        raise AzureError(
            501,
            "NotEmulated",
            "Tidepool does not emulate templates with symbolic names (languageVersion 2.0).",
        )
    if not isinstance(template.get("resources"), list):
        raise InvalidTemplateError("The template has no array 'resources'.")
    if template.get("functions"):
        raise AzureError(501, "NotEmulated", "Tidepool does not emulate the 'functions' of a template.")


async def _included(
    items: Sequence[Document], scope: TemplateScope, parent: tuple[str, str] | None = None
) -> AsyncIterator[TemplateResource]:
    """Yield the resources whose condition holds, each with the names and ids on which it depends."""
    for item in items:
        for key in ("type", "name", "apiVersion"):
            if not item.get(key):
                raise InvalidTemplateError(f"The template resource {item!r} has no '{key}'.")
        if "copy" in item:
            raise AzureError(
                501, "NotEmulated", f"Tidepool does not emulate 'copy', of the resource {item['name']}."
            )
        included = await evaluate(item.get("condition", True), scope)
        try:
            type_, name, identifier = await _identity(item, scope, parent)
        except AzureError:
            if included:
                raise
            continue
        scope.names.setdefault(name.lower(), identifier)
        if not included:
            continue
        depends = frozenset(str(name) for name in await evaluate(item.get("dependsOn") or [], scope))
        if parent:
            depends |= {resource_id(scope.root, [parent[0], *parent[1].split("/")])}
        body = {key: value for key, value in item.items() if key not in _NOT_SENT}
        yield TemplateResource(identifier, name, type_, depends | await _referenced(item, scope), body)
        async for child in _included(item.get("resources") or [], scope, (type_, name)):
            yield child


async def _identity(
    item: Document, scope: TemplateScope, parent: tuple[str, str] | None
) -> tuple[str, str, str]:
    type_, name = str(await evaluate(item["type"], scope)), str(await evaluate(item["name"], scope))
    if parent and not type_.lower().startswith("microsoft."):
        type_, name = f"{parent[0]}/{type_}", f"{parent[1]}/{name}"
    root = scope.root
    if type_.lower() == _DEPLOYMENT.lower() and item.get("resourceGroup"):
        group = await evaluate(item["resourceGroup"], scope)
        root = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
    if item.get("scope"):
        root = str(await evaluate(item["scope"], scope))
        if not root.startswith("/"):
            root = resource_id(scope.root, _type_and_names(root))
    return type_, name, resource_id(root, [type_, *name.split("/")])


def _type_and_names(text: str) -> list[str]:
    """Return (type, names ...) of a relative id, such as `Microsoft.Storage/storageAccounts/a`."""
    provider, *rest = text.split("/")
    return ["/".join((provider, *rest[::2])), *rest[1::2]]


async def _referenced(item: Document, scope: TemplateScope) -> frozenset[str]:
    """Return the first arguments of `reference()` in a resource, as far as they are known beforehand.

    A resource depends on what it refers to, as in Azure.
    """
    names = set()
    for expression in expressions({key: item[key] for key in item if key not in ("resources", "dependsOn")}):
        for call in calls(expression):
            inner = [c.name for argument in call.arguments for c in calls(argument)]
            if call.name == "reference" and not {"reference", "listkeys"} & set(inner):
                names.add(str(await evaluate_node(call.arguments[0], scope)))
    return frozenset(names)


def _in_order(resources: Sequence[TemplateResource]) -> Iterator[TemplateResource]:
    """Yield each resource after those of the template on which it depends."""
    by_id: dict[str, TemplateResource] = {}
    for resource in resources:
        if resource.id.lower() in by_id:
            raise InvalidTemplateError(f"The resource '{resource.id}' is defined multiple times.")
        by_id[resource.id.lower()] = resource
    by_name = {resource.name.lower(): resource for resource in resources}
    done: set[str] = set()
    opened: set[str] = set()

    def visit(resource: TemplateResource) -> Iterator[TemplateResource]:
        if resource.id in done:
            return
        if resource.id in opened:
            raise InvalidTemplateError(f"Circular dependency detected on resource: '{resource.id}'.")
        opened.add(resource.id)
        for name in sorted(resource.depends_on):
            other = by_id.get(name.lower()) or by_name.get(name.lower())
            if other is not None and other is not resource:
                yield from visit(other)
        done.add(resource.id)
        yield resource

    for resource in resources:
        yield from visit(resource)
