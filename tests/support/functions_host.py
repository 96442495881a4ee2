"""Functions apps in this process, each written as one text, for tests of the host's internals."""

import asyncio
import json
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from tidepool.access.principals import PRINCIPALS
from tidepool.functions.host import PRINCIPAL, FunctionsApp
from tidepool.functions.http_app import HttpApp
from tidepool.scheduler import Scheduler
from tidepool.storage.azurite_client import Answer
from tidepool.store import Store

HOST_JSON = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}


class Host:
    """A host of functions apps that share a store and a scheduler."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self.store = store
        self.scheduler = Scheduler()
        self.running: list[tuple[FunctionsApp, HttpApp]] = []

    async def start(self, text: str, host: dict[str, Any] | None = None, **settings: str) -> FunctionsApp:
        head = "import logging, os, time\nimport azure.functions as func\napp = func.FunctionApp()\n"
        (self._folder / "function_app.py").write_text(head + textwrap.dedent(text))
        (self._folder / "host.json").write_text(json.dumps({**HOST_JSON, **(host or {})}))
        app = FunctionsApp(
            name="mine",
            app_dir=self._folder,
            settings=settings,
            principal=PRINCIPALS[PRINCIPAL],
            store=self.store,
            scheduler=self.scheduler,
            send=no_storage,
        )
        http_app = HttpApp(app)
        self.running.append((app, http_app))
        await app.start(await http_app.listen())
        return app


async def no_storage(*_: Any, **__: Any) -> Answer:
    return Answer(404, [], b"")


def run_host(folder: Path, test: Callable[[Host], Awaitable[None]], store: Store | None = None) -> None:
    async def run() -> None:
        host = Host(folder, store or Store(":memory:"))
        scheduling = asyncio.create_task(host.scheduler.run())
        try:
            await test(host)
        finally:
            for app, http_app in host.running:
                await app.stop()
                http_app.close()
            scheduling.cancel()

    asyncio.run(run())


async def get(app: FunctionsApp, path: str, method: str = "GET", **arguments: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.request(method, app.url + path, **arguments)
