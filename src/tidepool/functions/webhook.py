"""The Event Grid webhook of the host: `/runtime/webhooks/eventgrid?functionName=F&code=K`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tidepool.functions.frames import Message
from tidepool.functions.worker_process import InvocationError

PATH = "/runtime/webhooks/eventgrid"

Invoke = Callable[[str, Message], Awaitable[Any]]


class Webhook:
    """The receiver of deliveries.

    The function runs for all events of a delivery at the same time. If one run fails, the whole delivery
    fails. The answers are those of the Event Grid extension 3.3.0 of the WebJobs SDK.
    """

    def __init__(self, *, has_function: Callable[[str], bool], invoke: Invoke) -> None:
        self._has_function = has_function
        self._invoke = invoke

    async def receive(self, request: Request) -> Response:
        function = request.query_params.get("functionName", "")
        if not self._has_function(function):
            return PlainTextResponse(f"cannot find function: '{function}'", 404)
        match request.headers.get("aeg-event-type", "").lower():
            case "subscriptionvalidation":
                return await _validate(request)
            case "notification":
                return await self._notify(function, await request.body())
            case "unsubscribe":
                return Response(status_code=202)
        return Response(status_code=400)

    async def _notify(self, function: str, body: bytes) -> Response:
        try:
            parsed = json.loads(body)
        except ValueError as error:
            return PlainTextResponse(f"the body is not JSON: {error}", 500)
        events = parsed if isinstance(parsed, list) else [parsed]
        if not all(isinstance(event, dict) for event in events):
            return PlainTextResponse("an event is not an object", 500)
        calls = (self._invoke(function, {"type": "json", "value": json.dumps(event)}) for event in events)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, InvocationError):
                raise failure
        return PlainTextResponse(str(failures[0]), 500) if failures else Response(status_code=202)


async def _validate(request: Request) -> Response:
    try:
        code = (await request.json())[0]["data"]["validationCode"]
    except (ValueError, LookupError, TypeError):
        return Response(status_code=400)
    return JSONResponse({"validationResponse": code})
