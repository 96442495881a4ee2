"""The control API of a running Tidepool: what `cloud.Tidepool` calls. Plain HTTP on 127.0.0.1, with a secret header."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tidepool import estate
from tidepool.errors import AzureError
from tidepool.parts import Parts


class Control:
    """`app` serves the control API, and the managed identity endpoint under `/msi`, which has its own secret."""

    def __init__(self, *, parts: Parts, token: str, environment: Callable[[str], dict[str, str]]) -> None:
        self._parts = parts
        self._environment = environment
        routes = [
            Route("/ping", self._ping),
            Route("/environment", self._get_environment),
            Route("/requests", self._requests),
            Route("/mailbox", self._mailbox),
            Route("/storage-accounts", self._create_storage_account, methods=["POST"]),
        ]
        api = Starlette(routes=routes, exception_handlers={AzureError: _refuse, ValueError: _refuse})
        guarded = _Guard(api, token)
        self.app = Starlette(routes=[Mount("/msi", parts.identity.app), Mount("/", guarded)])

    async def _ping(self, request: Request) -> JSONResponse:
        return JSONResponse({"pid": os.getpid()})

    async def _get_environment(self, request: Request) -> JSONResponse:
        return JSONResponse(self._environment(request.query_params.get("principal", "developer")))

    async def _requests(self, request: Request) -> JSONResponse:
        return JSONResponse(self._parts.gateway.requests(int(request.query_params.get("after", 0))))

    async def _mailbox(self, request: Request) -> JSONResponse:
        return JSONResponse(self._parts.mailbox.letters())

    async def _create_storage_account(self, request: Request) -> JSONResponse:
        name = self._parts.accounts.hand_out()
        return JSONResponse(
            {"name": name, "id": estate.storage_account_id(name), "key": self._parts.accounts.key(name)}
        )


class _Guard:
    """Lets nobody in who has not the token of tidepool.json."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next(
            (value for name, value in scope["headers"] if name == estate.CONTROL_HEADER.encode()), b""
        )
        app: ASGIApp = self._app if given == self._token else JSONResponse({"error": "wrong token"}, 401)
        await app(scope, receive, send)


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, AzureError):
        return error.response()
    return JSONResponse({"error": {"code": "BadRequest", "message": str(error)}}, 400)
