"""The life of a functions app's worker: started, killed, replaced; invocations wait until one is ready."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tidepool.functions.frames import Message
from tidepool.functions.worker_process import LOG_LINES_KEPT, InvocationError, LogLine, WorkerProcess

log = logging.getLogger("tidepool.functions.host")

READY_WITHIN_S = 60.0
LONGEST_PAUSE_S = 5.0

Indexed = list[dict[str, Any]]


class NoFunctionsError(Exception):
    """The worker could not index the app: Azure would find no functions in it, and say nothing."""


class WorkerLife:
    """One worker at a time. `failed(why)` is called when a dead worker's successor cannot index the app."""

    def __init__(self, *, name: str, app_dir: Path, failed: Callable[[str], None]) -> None:
        self._name = name
        self._app_dir = app_dir
        self._failed = failed
        self._environ: Mapping[str, str] = {}
        self._worker: WorkerProcess | None = None
        self._ready = asyncio.Event()
        self._reviving: asyncio.Task[None] | None = None
        self._deaths_in_a_row = 0
        self.lines: deque[LogLine] = deque(maxlen=LOG_LINES_KEPT)
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def start(self, environ: Mapping[str, str]) -> Indexed:
        """Start a worker; the functions that it found. NoFunctionsError says why there are none.

        Invocations wait until `release`, so that what calls them can be made first.
        """
        self._environ = environ
        worker = WorkerProcess(
            app_dir=self._app_dir, environ=environ, lines=self.lines, ended=lambda: self._ended(worker)
        )
        self._worker = worker
        found = await worker.start()
        if found["is"] == "failed":
            raise NoFunctionsError(found["error"])
        log.info(
            "functions_indexed app=%s functions=%s seconds=%s rss=%s",
            *(self._name, len(found["functions"]), found["seconds"], found["rss"]),
        )
        functions: Indexed = found["functions"]
        return functions

    def release(self) -> None:
        """Let invocations through, or let them fail where there is no worker."""
        self._ready.set()

    async def stop(self) -> None:
        """End the worker; what waits for it fails. Invocations wait again after the next `start`."""
        if self._reviving:
            self._reviving.cancel()
        worker, self._worker = self._worker, None
        self._ready.set()
        if worker:
            worker.kill()
            await worker.wait()

    def hold(self) -> None:
        """Let invocations wait."""
        self._ready.clear()

    def kill(self) -> None:
        """As if the worker had crashed: what it works on fails, and a new one is started."""
        if self._worker:
            self._worker.kill()
            self._ended(self._worker)

    def running(self) -> list[str]:
        """The functions that are being carried out, one for each invocation."""
        return self._worker.running() if self._worker else []

    async def until_ready(self) -> None:
        """InvocationError where that takes too long."""
        try:
            await asyncio.wait_for(self._ready.wait(), READY_WITHIN_S)
        except TimeoutError:
            raise InvocationError("the functions worker does not start") from None

    async def invoke(self, request: Message, timeout_s: float | None) -> Message:
        """Run a function once; one that takes longer is ended together with its worker, as in Azure."""
        await self.until_ready()
        worker = self._worker
        if worker is None:
            raise InvocationError("the functions app does not run")
        try:
            async with asyncio.timeout(timeout_s):
                result = await worker.invoke(request)
        except TimeoutError:
            worker.kill()
            self._ended(worker)  # before its end is heard of: who asks now waits for the next one
            raise InvocationError(
                f"Timeout value of {timeout_s} s exceeded by {request['function']}"
            ) from None
        self._deaths_in_a_row = 0
        return result

    def _ended(self, worker: WorkerProcess) -> None:
        if worker is not self._worker or not self._ready.is_set():
            return
        self._ready.clear()
        self.deaths += 1
        self._deaths_in_a_row += 1
        log.error("functions_worker_died app=%s deaths=%s", self._name, self.deaths)
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        if self._deaths_in_a_row > 1:
            await asyncio.sleep(min(LONGEST_PAUSE_S, 0.1 * 2**self._deaths_in_a_row))
        try:
            await self.start(self._environ)
        except NoFunctionsError as error:
            self._worker = None
            self._failed(str(error))
        self._ready.set()
