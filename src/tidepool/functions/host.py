"""The Functions host of one functions app: it starts the worker and the triggers, and runs functions."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tidepool.access.principals import Principal
from tidepool.functions.frames import Message
from tidepool.functions.keys import FunctionKeys
from tidepool.functions.queue_client import Send
from tidepool.functions.settings import HostSettings, read_host_settings
from tidepool.functions.triggers import HostContext, Triggers
from tidepool.functions.webhook import PATH
from tidepool.functions.worker_life import NoFunctionsError, WorkerLife
from tidepool.functions.worker_process import InvocationError, LogLine
from tidepool.scheduler import Scheduler
from tidepool.store import Store

log = logging.getLogger("tidepool.functions.host")

# The variables that the worker inherits. All its other environment variables are app settings.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")

PRINCIPAL = "tidegate"  # the managed identity of apps that no template made


class FunctionsApp:
    """A functions app. `send` is `StorageGateway.send`, for its queues."""

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        name: str,
        app_dir: Path,
        settings: Mapping[str, str],
        principal: Principal,
        store: Store,
        scheduler: Scheduler,
        send: Send,
    ) -> None:
        self.name = name
        self.app_dir = app_dir.resolve()
        self.settings = dict(settings)
        self._principal = principal
        self.keys = FunctionKeys(store, name)
        self.url = ""
        self.error = ""
        self._store = store
        self._scheduler = scheduler
        self._send = send
        self._worker = WorkerLife(name=name, app_dir=self.app_dir, failed=self._fail)
        self._triggers: Triggers | None = None
        self._host = HostSettings()
        self._starts = 0

    @property
    def triggers(self) -> Triggers | None:
        """The triggers, or None before the start and if the app cannot be indexed."""
        return self._triggers

    @property
    def signs_in(self) -> bool:
        """Whether App Service's authentication is on, which sets this variable."""
        return self.settings.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"

    @property
    def homepage_disabled(self) -> bool:
        """Whether functions get the requests to /, which the host answers otherwise."""
        return self.settings.get("AzureWebJobsDisableHomepage", "").lower() == "true"

    @property
    def lines(self) -> deque[LogLine]:
        """The newest log lines of the app."""
        return self._worker.lines

    def webhook_url(self, function: str) -> str:
        """Return the URL at which Event Grid delivers the events of a function."""
        return f"{self.url}{PATH}?{urlencode({'functionName': function, 'code': self.keys.event_grid})}"

    async def start(self, url: str) -> None:
        """Start the worker and the triggers of an app that is served at `url`.

        An app that cannot be indexed is started as well, with an `error` and without triggers.
        """
        self.url = url
        self._worker.hold()
        self._starts += 1
        self.error = ""
        try:
            self._host = read_host_settings(self.app_dir)
            functions = await self._worker.start(self._environ())
            self._triggers = Triggers(functions, self._context())
            self._triggers.start(self._scheduler, self._store)
        except (ValueError, NoFunctionsError) as error:
            self._fail(str(error))
        self._worker.release()

    async def stop(self) -> None:
        """Stop the triggers and the worker. Messages of running invocations return to the queue."""
        self.error = "the functions app was stopped"
        triggers, self._triggers = self._triggers, None
        await self._worker.stop()
        if triggers:
            await triggers.stop()

    async def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stop the app and start it at the same URL, with `settings` as its new app settings if given."""
        await self.stop()
        if settings is not None:
            self.settings = dict(settings)
        await self.start(self.url)

    async def kill(self) -> None:
        """Kill the host and its worker, as the death of an instance does, and start a new instance."""
        triggers, self._triggers = self._triggers, None
        if triggers:
            await triggers.abandon()
        await self._worker.stop()
        await self.start(self.url)

    def kill_worker(self) -> None:
        """Kill the worker, as a crash would. Its invocations fail, and a new worker starts."""
        self._worker.kill()

    async def invoke(
        self,
        function: str,
        data: Message,
        metadata: Mapping[str, str] | None = None,
        retry: Mapping[str, int] | None = None,
    ) -> Message:
        """Run a function once and send its outputs to their queues.

        Raise InvocationError if the function fails or does not exist.
        """
        await self._worker.until_ready()
        triggers = self._triggers
        indexed = triggers.find(function) if triggers else None
        if triggers is None or indexed is None:
            raise InvocationError(
                f"function '{function}' not found: {self.error or f'the app {self.name} does not have it'}"
            )
        request = {
            "function": indexed["name"],
            "data": data,
            "metadata": dict(metadata or {}),
            "retry": dict(retry) if retry else None,
        }
        result = await self._worker.invoke(request, self._host.function_timeout_s)
        await triggers.outputs.send(indexed["bindings"], result)
        return result

    async def fire(self, function: str, text: str = "") -> None:
        """Run a function by hand, as POST /admin/functions/{name} does, and wait until it ends."""
        await self._worker.until_ready()
        timer = self._triggers.timers.get(function.lower()) if self._triggers else None
        if timer:
            await timer.fire()
            return
        kind = "json" if self._triggers and self._triggers.takes_events(function) else "string"
        await self.invoke(function, {"type": kind, "value": text}, {"Id": "by-hand", "DequeueCount": "1"})

    def nudge(self, account: str, queue: str) -> None:
        """Poll a queue now, because one of its messages became visible."""
        for listener in self._triggers.listeners if self._triggers else []:
            if (listener.queue.account, listener.queue.queue) == (account, queue):
                listener.nudge()

    def running(self) -> list[str]:
        """Return one line for each running invocation, and one if the worker is starting."""
        lines = [f"{self.name}: {name} is running" for name in self._worker.running()]
        return lines if self._worker.is_ready else [*lines, f"{self.name}: the worker is starting"]

    async def queued(self) -> list[str]:
        """Return one line for each queue of a trigger that has visible messages."""
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
            "app_dir": str(self.app_dir),
            "url": self.url,
            "state": "Error" if self.error else "Running" if self._worker.is_ready else "Starting",
            "functions": self._triggers.names() if self._triggers else [],
            "error": self.error,
            "pid": self._worker.pid,
            "restarts": self._worker.deaths + max(0, self._starts - 1),
        }

    def _context(self) -> HostContext:
        return HostContext(
            site=self.name,
            host=self._host,
            settings=self.settings,
            keys=self.keys,
            invoke=self.invoke,
            send=self._send,
            principal=self._principal,
        )

    def _environ(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **inherited,
            "MALLOC_ARENA_MAX": "2",  # threads share their memory, which saves some of it
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "AzureWebJobsScriptRoot": str(self.app_dir),
            "WEBSITE_SITE_NAME": self.name,
            "WEBSITE_HOSTNAME": self.url.removeprefix("http://"),
            **self.settings,
        }

    def _fail(self, error: str) -> None:
        triggers, self._triggers = self._triggers, None
        if triggers:
            self._ending = asyncio.create_task(triggers.stop())
        self.error = error
        log.error(
            "no_functions_found app=%s: Azure would find 0 functions here and report no error.\n%s",
            *(self.name, error),
        )
