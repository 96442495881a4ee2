"""The HTTP triggers of a functions app: routing, the check of keys, and the responses of functions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from tidepool.functions.frames import Message
from tidepool.functions.keys import FunctionKeys, Level
from tidepool.functions.routes import RouteTemplate, parse_route
from tidepool.functions.worker_process import InvocationError

Invoke = Callable[[str, Message], Awaitable[Message]]


@dataclass(frozen=True)
class HttpFunction:
    """A function with an HTTP trigger. `response` is the name of its HTTP output binding."""

    name: str
    level: Level
    route: RouteTemplate
    response: str

    @classmethod
    def read(cls, name: str, bindings: Sequence[Mapping[str, Any]], prefix: str) -> "HttpFunction":
        """Read the bindings of a function. Raise ValueError if its route template is invalid."""
        trigger = next(binding for binding in bindings if binding["type"] == "httpTrigger")
        outputs = [binding["name"] for binding in bindings if binding["type"] == "http"]
        methods = frozenset(method.upper() for method in trigger.get("methods") or [])
        template = f"{prefix}/{(trigger.get('route') or name).strip('/')}"
        level = Level(str(trigger.get("authLevel") or "function").lower())
        return cls(name, level, parse_route(name, template, methods), outputs[0] if outputs else "")


class HttpTriggers:
    """The HTTP functions of an app. Routes are tried in Azure's order, with literal segments first."""

    def __init__(self, *, functions: Sequence[HttpFunction], keys: FunctionKeys, invoke: Invoke) -> None:
        self._functions = sorted(functions, key=lambda function: function.route.rank)
        self._keys = keys
        self._invoke = invoke

    async def answer(self, request: Request) -> Response:
        path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        for function in self._functions:
            parameters = function.route.match(request.method, path)
            if parameters is not None:
                return await self._call(function, request, parameters)
        return Response(status_code=404)

    async def _call(
        self, function: HttpFunction, request: Request, parameters: Mapping[str, str]
    ) -> Response:
        if not self._keys.opens(request, function.level, function.name):
            return Response(status_code=401)
        data = {
            "method": request.method,
            "url": str(request.url),
            "headers": _joined(request.headers.items()),
            "params": _joined(request.query_params.multi_items()),
            "route_params": dict(parameters),
            "body": await request.body(),
        }
        try:
            result = await self._invoke(function.name, data)
        except InvocationError:
            return Response(status_code=500)
        answer = (
            result["returned"] if function.response == "$return" else result["outputs"].get(function.response)
        )
        return _response(answer)


def _joined(items: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Join all values that have the same name with commas, as the host of Azure does."""
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(answer: Message | None) -> Response:
    if answer is None:
        return Response(status_code=204)
    if answer["type"] != "http":
        return Response(answer["value"], media_type="text/plain")
    response = Response(answer["body"], answer["status"])
    headers = MutableHeaders(raw=response.raw_headers)
    for name, value in answer["headers"]:
        if name.lower() == "set-cookie":
            headers.append(name, value)
        elif name.lower() not in ("content-length", "transfer-encoding"):
            headers[name] = value
    return response
