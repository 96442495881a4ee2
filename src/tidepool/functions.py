"""The Functions host: one functions app, its worker's life, and the door to its triggers.

What calls a function and when is in triggers, queues, timers, webhook and http_triggers.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp

from tidepool.frames import Message
from tidepool.function_keys import FunctionKeys
from tidepool.host_door import HostDoor
from tidepool.host_settings import HostSettings, read_host_settings
from tidepool.network import listen_http
from tidepool.queue_client import Send
from tidepool.scheduler import Scheduler
from tidepool.store import Store
from tidepool.triggers import Surroundings, Triggers
from tidepool.webhook import PATH
from tidepool.worker_process import LOG_LINES_KEPT, InvocationError, LogLine, WorkerProcess

log = logging.getLogger("tidepool.functions")

READY_WITHIN_S = 60.0
LONGEST_PAUSE_S = 5.0
# What the worker inherits; everything else that it sees are app settings.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class FunctionsApp:
    """One functions app. `send` reaches its queues (`StorageGateway.send`)."""

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        name: str,
        app_dir: Path,
        settings: Mapping[str, str],
        store: Store,
        scheduler: Scheduler,
        send: Send,
    ) -> None:
        self.name = name
        self.app_dir = app_dir.resolve()
        self.settings = dict(settings)
        self.keys = FunctionKeys(store, name)
        self.url = ""
        self.error = ""
        self.restarts = 0
        self.lines: deque[LogLine] = deque(maxlen=LOG_LINES_KEPT)
        self._store = store
        self._scheduler = scheduler
        self._send = send
        self._server: asyncio.Server | None = None
        self._worker: WorkerProcess | None = None
        self._triggers: Triggers | None = None
        self._host = HostSettings()
        self._settled = asyncio.Event()
        self._reviving: asyncio.Task[None] | None = None
        self._deaths_in_a_row = 0
        self._door = HostDoor(self)

    @property
    def app(self) -> ASGIApp:
        return self._door.app

    @property
    def triggers(self) -> Triggers | None:
        """None while there are no functions: before the start, and when the app cannot be indexed."""
        return self._triggers

    def webhook_url(self, function: str) -> str:
        """Where Event Grid delivers the events of this function."""
        return f"{self.url}{PATH}?{urlencode({'functionName': function, 'code': self.keys.event_grid})}"

    async def start(self) -> None:
        """Listen, start worker and triggers. An app that cannot be indexed starts too, with an `error`."""
        if self._server is None:
            self._server, port = await listen_http(self.app)
            self.url = f"http://127.0.0.1:{port}"
        self.error = ""
        try:
            self._host = read_host_settings(self.app_dir)
            functions = await self._start_worker()
            around = Surroundings(
                site=self.name,
                host=self._host,
                settings=self.settings,
                keys=self.keys,
                invoke=self.invoke,
                send=self._send,
            )
            self._triggers = Triggers(functions, around)
            self._triggers.start(self._scheduler, self._store)
        except (ValueError, _NoFunctionsError) as error:
            self._fail(str(error))
        self._settled.set()

    async def stop(self) -> None:
        """End triggers, worker and listener. What is at work fails, and comes back later."""
        await self._stop_functions()
        self.error = "the functions app was stopped"
        self._settled.set()
        if self._server:
            self._server.close()
            self._server = None

    async def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Read host.json and the app again, with other app settings where they are given; the URL stays."""
        await self._stop_functions()
        if settings is not None:
            self.settings = dict(settings)
        self.restarts += 1
        await self.start()

    def kill_worker(self) -> None:
        """As if the worker had crashed: what it works on fails, and a new one is started."""
        if self._worker:
            self._worker.kill()
            self._worker_ended(self._worker)

    async def invoke(
        self,
        function: str,
        data: Message,
        metadata: Mapping[str, str] | None = None,
        retry: Mapping[str, int] | None = None,
    ) -> Message:
        """Run a function once and send its outputs on; InvocationError where it failed or there is none."""
        await self._until_ready()
        worker, triggers = self._worker, self._triggers
        found = triggers.find(function) if triggers else None
        if worker is None or triggers is None or found is None:
            raise InvocationError(
                f"there is no function '{function}': {self.error or 'the app does not run'}"
            )
        result = await self._timed(worker, found["name"], data, metadata, retry)
        await triggers.outputs.send(found["bindings"], result)
        self._deaths_in_a_row = 0
        return result

    async def fire(self, function: str, text: str = "") -> None:
        """Run a function by hand, as POST /admin/functions/{name} does, and wait for it."""
        await self._until_ready()
        timer = self._triggers.timers.get(function.lower()) if self._triggers else None
        if timer:
            await timer.fire()
            return
        kind = "json" if self._triggers and self._triggers.takes_events(function) else "string"
        await self.invoke(function, {"type": kind, "value": text}, {"Id": "by-hand", "DequeueCount": "1"})

    def nudge(self, account: str, queue: str) -> None:
        """A message was put, or became visible, in that queue: look now."""
        for listener in self._triggers.listeners if self._triggers else []:
            if (listener.queue.account, listener.queue.queue) == (account, queue):
                listener.nudge()

    def running(self) -> list[str]:
        """One line for each invocation at work, and for a worker that is being started."""
        lines = [
            f"{self.name}: {name} is running" for name in (self._worker.running() if self._worker else [])
        ]
        return lines if self._settled.is_set() else [*lines, f"{self.name}: the worker is starting"]

    async def queued(self) -> list[str]:
        """One line for each queue of a trigger that has visible messages."""
        listeners = self._triggers.listeners if self._triggers else []
        counts = await asyncio.gather(*(listener.queue.visible() for listener in listeners))
        return [
            f"{self.name}: {count} messages in {listener.queue.queue}"
            for listener, count in zip(listeners, counts, strict=True)
            if count
        ]

    def status(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "url": self.url,
            "state": "Error" if self.error else "Running" if self._settled.is_set() else "Starting",
            "functions": self._triggers.names() if self._triggers else [],
            "error": self.error,
            "pid": self._worker.pid if self._worker else None,
            "restarts": self.restarts,
        }

    # The worker's life

    async def _start_worker(self) -> list[dict[str, Any]]:
        worker = WorkerProcess(
            app_dir=self.app_dir,
            environ=self._environ(),
            lines=self.lines,
            ended=lambda: self._worker_ended(worker),
        )
        self._worker = worker
        found = await worker.start()
        if found["is"] == "failed":
            raise _NoFunctionsError(found["error"])
        log.info(
            "functions_indexed app=%s functions=%s seconds=%s rss=%s",
            *(self.name, len(found["functions"]), found["seconds"], found["rss"]),
        )
        functions: list[dict[str, Any]] = found["functions"]
        return functions

    def _environ(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **inherited,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "AzureWebJobsScriptRoot": str(self.app_dir),
            "WEBSITE_SITE_NAME": self.name,
            "WEBSITE_HOSTNAME": self.url.removeprefix("http://"),
            **self.settings,
        }

    def _worker_ended(self, worker: WorkerProcess) -> None:
        if worker is not self._worker or not self._settled.is_set() or self.error:
            return
        self._settled.clear()
        self.restarts += 1
        self._deaths_in_a_row += 1
        log.error("functions_worker_died app=%s restarts=%s", self.name, self.restarts)
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        if self._deaths_in_a_row > 1:
            await asyncio.sleep(min(LONGEST_PAUSE_S, 0.1 * 2**self._deaths_in_a_row))
        try:
            await self._start_worker()
        except _NoFunctionsError as error:
            self._fail(str(error))
        self._settled.set()

    async def _stop_functions(self) -> None:
        worker, self._worker = self._worker, None
        triggers, self._triggers = self._triggers, None
        if self._reviving:
            self._reviving.cancel()
        self._settled.set()  # what waits for a worker fails now, so that the triggers can end
        if worker:
            worker.kill()
            await worker.wait()
        if triggers:
            await triggers.stop()
        self._settled.clear()

    def _fail(self, error: str) -> None:
        self._triggers = None
        self.error = error
        log.error(
            "no_functions_found app=%s: Azure would find 0 functions here, silently.\n%s", self.name, error
        )

    async def _until_ready(self) -> None:
        try:
            await asyncio.wait_for(self._settled.wait(), READY_WITHIN_S)
        except TimeoutError:
            raise InvocationError("the functions worker does not start") from None

    async def _timed(
        self,
        worker: WorkerProcess,
        function: str,
        data: Message,
        metadata: Mapping[str, str] | None,
        retry: Mapping[str, int] | None,
    ) -> Message:
        try:
            async with asyncio.timeout(self._host.function_timeout_s):
                return await worker.invoke(function, data, metadata, retry=dict(retry or {}) or None)
        except TimeoutError:
            worker.kill()
            raise InvocationError(
                f"Timeout value of {self._host.function_timeout_s} s exceeded by {function}"
            ) from None


class _NoFunctionsError(Exception):
    """The worker could not index the app."""
