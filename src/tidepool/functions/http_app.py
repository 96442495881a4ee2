"""The HTTP side of a functions app: its HTTP triggers, the Event Grid webhook and the admin routes."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tidepool.functions.front_end import FrontEnd
from tidepool.functions.host import FunctionsApp
from tidepool.functions.keys import EVENT_GRID_EXTENSION, Level
from tidepool.functions.webhook import PATH, Webhook
from tidepool.functions.worker_process import InvocationError
from tidepool.network import listen_http

_HOMEPAGE = """<!DOCTYPE html><title>Tidepool</title><p>Your function app is up and running. This is the page
of the host; with the app setting AzureWebJobsDisableHomepage=true the app itself answers this address.</p>"""
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class HttpApp:
    """The ASGI app of one functions app, and its listener."""

    def __init__(self, functions: FunctionsApp) -> None:
        self._functions = functions
        self._webhook = Webhook(has_function=self._takes_events, invoke=functions.invoke)
        self._manual_runs: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._app = FrontEnd(self._routes(), is_on=lambda: functions.signs_in, secret=functions.keys.master)

    def _routes(self) -> Starlette:
        return Starlette(
            routes=[
                Route(PATH, self._event_grid, methods=_ALL_METHODS),
                Route("/admin/host/status", self._status),
                Route(f"/admin/host/systemkeys/{EVENT_GRID_EXTENSION}", self._system_key),
                Route("/admin/functions", self._list),
                Route("/admin/functions/{name}", self._fire, methods=["POST"]),
                Route("/{path:path}", self._http, methods=_ALL_METHODS),
            ]
        )

    async def listen(self) -> str:
        """Listen on a free port and return the URL."""
        self._server, port = await listen_http(self._app)
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """Close the listener."""
        if self._server:
            self._server.close()

    def _takes_events(self, name: str) -> bool:
        return self._functions.triggers is not None and self._functions.triggers.takes_events(name)

    async def _event_grid(self, request: Request) -> Response:
        if not self._functions.keys.opens_event_grid(request):
            return Response(status_code=401)
        return await self._webhook.receive(request)

    async def _http(self, request: Request) -> Response:
        if request.url.path == "/" and not self._functions.homepage_disabled:
            return HTMLResponse(_HOMEPAGE)
        if self._functions.triggers is None:
            return Response(status_code=503 if not self._functions.error else 404)
        return await self._functions.triggers.http.answer(request)

    async def _status(self, request: Request) -> Response:
        if not self._is_admin(request):
            return Response(status_code=401)
        return JSONResponse(self._functions.status())

    async def _system_key(self, request: Request) -> Response:
        if not self._is_admin(request):
            return Response(status_code=401)
        return JSONResponse({"name": EVENT_GRID_EXTENSION, "value": self._functions.keys.event_grid})

    async def _list(self, request: Request) -> Response:
        if not self._is_admin(request):
            return Response(status_code=401)
        names = self._functions.triggers.names() if self._functions.triggers else []
        return JSONResponse([{"name": name} for name in names])

    async def _fire(self, request: Request) -> Response:
        """Start a function by hand with the body `{"input": text}`.

        As in Azure, the response is sent before the function has run.
        """
        if not self._is_admin(request):
            return Response(status_code=401)
        name = request.path_params["name"]
        if self._functions.triggers is None or self._functions.triggers.find(name) is None:
            return Response(status_code=404)
        body = await request.body()
        text = (await request.json()).get("input", "") if body else ""
        task = asyncio.create_task(self._run(name, str(text or "")))
        self._manual_runs.add(task)
        task.add_done_callback(self._manual_runs.discard)
        return Response(status_code=202)

    async def _run(self, name: str, text: str) -> None:
        try:
            await self._functions.fire(name, text)
        except InvocationError:
            pass  # the log of the function has the error

    def _is_admin(self, request: Request) -> bool:
        return self._functions.keys.opens(request, Level.ADMIN, "")
