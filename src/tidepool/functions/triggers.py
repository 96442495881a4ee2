"""The triggers of one functions app, created from the functions that its worker indexed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidepool.access.principals import Principal
from tidepool.functions.frames import Message
from tidepool.functions.http_triggers import HttpFunction, HttpTriggers
from tidepool.functions.keys import FunctionKeys
from tidepool.functions.outputs import Outputs
from tidepool.functions.queue_client import QueueClient, Send
from tidepool.functions.queues import LEASE_S, QueueListener, poison_queue_name
from tidepool.functions.settings import HostSettings, HostSettingsError, resolve
from tidepool.functions.timers import Timer
from tidepool.scheduler import Scheduler
from tidepool.store import Store

EMULATED = {"httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger", "http", "queue"}
DEFAULT_CONNECTION = "AzureWebJobsStorage"
LEASE_SETTING = "TIDEPOOL_QUEUE_LEASE_S"  # an app setting that tests of killed hosts set

Binding = Mapping[str, Any]
Function = Mapping[str, Any]
# (function, data, metadata, retry)
Invoke = Callable[..., Awaitable[Message]]


@dataclass(frozen=True, kw_only=True)
class HostContext:
    """The parts of the host that triggers use."""

    site: str
    host: HostSettings
    settings: Mapping[str, str]
    keys: FunctionKeys
    invoke: Invoke
    send: Send
    principal: Principal  # the app's identity, for connections without a connection string


class Triggers:
    """All triggers of an app.

    Raise ValueError if one of them is invalid, or is of a type that Tidepool does not emulate.
    """

    def __init__(self, functions: Sequence[Function], context: HostContext) -> None:
        self._context = context
        self._functions = {function["name"].lower(): function for function in functions}
        for function in functions:
            _check_emulated(function)
        self.http = HttpTriggers(
            functions=[
                HttpFunction.read(function["name"], function["bindings"], context.host.route_prefix)
                for function in self._of_type("httpTrigger")
            ],
            keys=context.keys,
            invoke=context.invoke,
        )
        self.listeners = [self._listener(function) for function in self._of_type("queueTrigger")]
        self.timers = {
            function["name"].lower(): self._timer(function) for function in self._of_type("timerTrigger")
        }
        self.outputs = Outputs(queue_of=self._queue, base64_encoded=context.host.queues.base64)

    def start(self, scheduler: Scheduler, store: Store) -> None:
        for listener in self.listeners:
            listener.start()
        for timer in self.timers.values():
            timer.start(scheduler, store)

    async def stop(self) -> None:
        for timer in self.timers.values():
            timer.stop()
        await asyncio.gather(*(listener.stop() for listener in self.listeners))

    async def abandon(self) -> None:
        """Stop as if the host was killed: the messages of running invocations stay hidden."""
        for timer in self.timers.values():
            timer.stop()
        await asyncio.gather(*(listener.abandon() for listener in self.listeners))

    def names(self) -> list[str]:
        return [function["name"] for function in self._functions.values()]

    def find(self, name: str) -> Function | None:
        return self._functions.get(name.lower())

    def takes_events(self, name: str) -> bool:
        function = self.find(name)
        return function is not None and _trigger(function)["type"] == "eventGridTrigger"

    def _of_type(self, kind: str) -> list[Function]:
        return [function for function in self._functions.values() if _trigger(function)["type"] == kind]

    def _listener(self, function: Function) -> QueueListener:
        queue = self._queue(_trigger(function))

        async def invoke(data: Message, metadata: Mapping[str, str]) -> Message:
            return await self._context.invoke(function["name"], data, metadata)

        poison = poison_queue_name(queue.queue)
        return QueueListener(
            queue=queue,
            poison=queue.beside(poison) if poison else None,
            invoke=invoke,
            options=self._context.host.queues,
            lease_s=int(self._context.settings.get(LEASE_SETTING) or LEASE_S),
        )

    def _timer(self, function: Function) -> Timer:
        trigger = _trigger(function)

        async def invoke(data: Message, retry: Mapping[str, int]) -> Message:
            return await self._context.invoke(function["name"], data, {}, retry)

        return Timer(
            key=f"/functions/{self._context.site}/timers/{function['name']}",
            binding={**trigger, "schedule": resolve(trigger["schedule"], self._context.settings)},
            retry=function["retry"],
            invoke=invoke,
        )

    def _queue(self, binding: Binding) -> QueueClient:
        settings, connection = self._context.settings, binding.get("connection") or DEFAULT_CONNECTION
        return QueueClient(
            send=self._context.send,
            account=account_of(connection, settings),
            queue=resolve(binding["queueName"], settings).lower(),
            principal=None if connection in settings else self._context.principal,
        )


def account_of(connection: str, settings: Mapping[str, str]) -> str:
    """Return the storage account that the app settings of a connection name.

    A connection uses an identity (`<connection>__...`) or a connection string.
    """
    if account := settings.get(f"{connection}__accountName"):
        return account
    if uri := settings.get(f"{connection}__queueServiceUri"):
        return uri.partition("://")[2].partition(".")[0]
    parts = dict(part.partition("=")[::2] for part in settings.get(connection, "").split(";"))
    if "AccountName" in parts:
        return parts["AccountName"]
    raise HostSettingsError(
        f"Storage account connection string '{connection}' does not exist in the app settings"
    )


def _trigger(function: Function) -> Binding:
    return next(binding for binding in function["bindings"] if binding["name"] == function["trigger"])


def _check_emulated(function: Function) -> None:
    for binding in function["bindings"]:
        if binding["type"] not in EMULATED:
            raise ValueError(
                f"function {function['name']}: Tidepool does not emulate the binding {binding['type']}; "
                f"it emulates {', '.join(sorted(EMULATED))}"
            )
        if str(binding.get("cardinality", "one")).lower() == "many":
            raise ValueError(
                f"function {function['name']}: Tidepool does not emulate cardinality many; "
                "use cardinality one"
            )
