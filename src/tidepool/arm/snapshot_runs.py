"""The run of a snapshot: its resources are made by requests to Azure Resource Manager."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidepool.access.principals import PRINCIPALS
from tidepool.arm.deployment_runs import DeploymentRuns, Send
from tidepool.arm.expressions import evaluate, is_expression
from tidepool.arm.operations import Operations
from tidepool.arm.snapshots import Snapshot, SnapshotResource, environment_name, expression_problems, needed
from tidepool.arm.template_scope import TemplateScope
from tidepool.declarations.catalog import body_problems
from tidepool.declarations.names import name_problem
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

IsEmulated = Callable[[str, str], bool]
_OUTPUTS = "/templates/outputs"


class SnapshotRuns:
    """The runs of snapshots, as the principal `developer`, who is the owner of the subscription.

    Resources that do not need each other are made at the same time, as Azure does. `is_emulated` returns
    whether there is a route for a type and a method.
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
        self._scheduler = scheduler
        self._operations = operations
        self._send = send
        self._is_emulated = is_emulated
        self._runs = DeploymentRuns(store=store, scheduler=scheduler, operations=operations, send=send)

    async def run(self, document: Document, parameters: Mapping[str, str]) -> Document:
        """Make the resources of a snapshot, and return its outputs.

        What exists already is updated, so that a run can be repeated. Raise AzureError 501, before anything
        is made, for all that Tidepool does not emulate, and 400 for missing parameters. If a resource is
        refused, raise an error with its id. The resources that were made before it stay, as in Azure.
        """
        snapshot = Snapshot.read(document)
        self._check(snapshot, parameters)
        scope = TemplateScope(
            root=f"/subscriptions/{SUBSCRIPTION}",
            group={},
            read=self._runs.read_as(PRINCIPALS["developer"]),
            now=self._scheduler.now(),
            parameters={name.lower(): value for name, value in parameters.items()},
        )
        await _Making(snapshot, scope, self._send, self._operations).run()
        outputs: Document = await evaluate(snapshot.outputs, scope)
        return outputs

    def _check(self, snapshot: Snapshot, parameters: Mapping[str, str]) -> None:
        if names := list(_name_problems(snapshot)):
            raise AzureError(400, "InvalidTemplate", "Nothing was made: " + " ".join(names))
        problems = list(dict.fromkeys(self._problems(snapshot)))
        if problems:
            raise AzureError(
                501,
                "NotEmulated",
                "Nothing was made, because Tidepool cannot do this of the template: " + " ".join(problems),
            )
        given = {name.lower() for name in parameters}
        if missing := sorted(name for name in snapshot.parameters() if name.lower() not in given):
            raise AzureError(
                400,
                "InvalidTemplate",
                f"Nothing was made: the template needs a value for {', '.join(missing)}. Use --parameter "
                f"{missing[0]}=VALUE, or the environment variable {environment_name(missing[0])}.",
            )

    def _problems(self, snapshot: Snapshot) -> Iterator[str]:
        for resource in snapshot.resources:
            yield from expression_problems([resource.id, resource.condition, resource.body])
            if not self._is_emulated(resource.type, "PUT"):
                yield f"Tidepool does not emulate resources of the type '{resource.type}'."
                continue
            for problem in body_problems(resource.type, resource.body, is_open=_is_open):
                yield f"{resource.label}: {problem}"
        yield from expression_problems(snapshot.outputs)


def _name_problems(snapshot: Snapshot) -> Iterator[str]:
    """Yield each resource whose name its type does not allow. Names that are known later are left out."""
    for resource in snapshot.resources:
        if not is_expression(resource.id):
            name = resource.id.rstrip("/").rpartition("/")[2]
            if problem := name_problem(resource.type, name):
                yield f"{resource.id}: name: {problem.message}"


@dataclass(frozen=True)
class _Making:
    """The making of the resources of one snapshot."""

    snapshot: Snapshot
    scope: TemplateScope
    send: Send
    operations: Operations

    async def run(self) -> None:
        """Make all resources, each after those that it needs. Raise the error of the first refused one."""
        resources = self.snapshot.resources
        needs, tasks = needed(resources), list[asyncio.Task[None]]()
        try:
            async with asyncio.TaskGroup() as group:
                for resource, before in zip(resources, needs, strict=True):
                    tasks.append(group.create_task(self._make(resource, [tasks[at] for at in before])))
        except* AzureError as errors:
            error = next(_leaves(errors))
            raise error from None

    async def _make(self, resource: SnapshotResource, before: list[asyncio.Task[None]]) -> None:
        for task in before:
            await task
        if not await evaluate(resource.condition, self.scope):
            return
        identifier = str(await evaluate(resource.id, self.scope))
        try:
            body = await evaluate(resource.body, self.scope)
            response = await self.send(PRINCIPALS["developer"], "PUT", identifier, body)
            await self.operations.wait(response.headers.get("Azure-AsyncOperation", ""))
        except AzureError as error:
            message = f"The template's resource {identifier} was refused ({error.code}): {error.message}"
            raise AzureError(error.status, error.code, message) from error


def keep_outputs(store: Store, outputs: Document) -> None:
    """Keep the outputs of a template that `tidepool up` ran. They name its resources to programs."""
    store.put(_OUTPUTS, {**(store.get(_OUTPUTS) or {}), **outputs})


def template_outputs(store: Store) -> dict[str, str]:
    """Return the kept outputs, as far as they are texts."""
    outputs = store.get(_OUTPUTS) or {}
    return {name: value for name, value in outputs.items() if isinstance(value, str)}


def _leaves(errors: BaseExceptionGroup[AzureError]) -> Iterator[AzureError]:
    for error in errors.exceptions:
        if isinstance(error, AzureError):
            yield error
        else:
            yield from _leaves(error)


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and is_expression(value)
