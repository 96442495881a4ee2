"""The start and restart of the worker of a functions app. Invocations wait until a worker is ready."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tidepool.functions.frames import Message
from tidepool.functions.worker_process import LOG_LINES_KEPT, FunctionsWorker, InvocationError, LogLine

log = logging.getLogger("tidepool.functions.host")

READY_WITHIN_S = 60.0
LONGEST_PAUSE_S = 5.0
INDEX_ATTEMPTS = 4  # Azure's host, too, starts a worker that dies at its start three times more

Indexed = list[dict[str, Any]]


class NoFunctionsError(Exception):
    """The worker could not index the app. Azure would find no functions in it and report no error."""


class WorkerLife:
    """The current worker of an app.

    `failed(error)` is called if a worker that replaces a dead worker cannot index the app.
    """

    def __init__(self, *, name: str, app_dir: Path, failed: Callable[[str], None]) -> None:
        self._name = name
        self._app_dir = app_dir
        self._failed = failed
        self._environ: Mapping[str, str] = {}
        self._worker: FunctionsWorker | None = None
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
        """Start a worker and return the functions that it indexed. Raise NoFunctionsError if that fails.

        A worker that dies while it indexes is replaced, up to INDEX_ATTEMPTS workers in all. Invocations wait
        until `release` is called, so that the triggers exist before the first invocation.
        """
        self._environ = environ
        for attempt in range(1, INDEX_ATTEMPTS + 1):
            index = await self._start_worker()
            if index["is"] != "died" or self._worker is None:
                break
            self.deaths += 1
            log.error(
                "functions_worker_died_while_indexing app=%s attempt=%s of=%s",
                *(self._name, attempt, INDEX_ATTEMPTS),
            )
            if attempt < INDEX_ATTEMPTS:
                await asyncio.sleep(_pause_s(attempt))
        if index["is"] != "indexed":
            raise NoFunctionsError(index["error"])
        log.info(
            "functions_indexed app=%s functions=%s seconds=%s rss=%s",
            *(self._name, len(index["functions"]), index["seconds"], index["rss"]),
        )
        functions: Indexed = index["functions"]
        return functions

    async def _start_worker(self) -> Message:
        worker = FunctionsWorker(
            app_dir=self._app_dir,
            environ=self._environ,
            lines=self.lines,
            ended=lambda: self._ended(worker),
        )
        self._worker = worker
        return await worker.start()

    def release(self) -> None:
        """Let waiting invocations run. They fail if there is no worker."""
        self._ready.set()

    async def stop(self) -> None:
        """Stop the worker. Invocations that wait for it fail."""
        if self._reviving:
            self._reviving.cancel()
        worker, self._worker = self._worker, None
        self._ready.set()
        if worker:
            worker.kill()
            await worker.wait()

    def hold(self) -> None:
        """Make invocations wait until `release` is called."""
        self._ready.clear()

    def kill(self) -> None:
        """Kill the worker, as a crash would. Its invocations fail, and a new worker starts."""
        if self._worker:
            self._worker.kill()
            self._ended(self._worker)

    def running(self) -> list[str]:
        """Return the name of the function of each running invocation."""
        return self._worker.running() if self._worker else []

    async def until_ready(self) -> None:
        """Wait until a worker is ready. Raise InvocationError if that takes too long."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._ready.wait()
        except TimeoutError:
            raise InvocationError(f"the functions worker did not start within {READY_WITHIN_S:g} s") from None

    async def invoke(self, request: Message, timeout_s: float | None) -> Message:
        """Run a function once. If it takes longer than `timeout_s`, end it and its worker, as Azure does."""
        await self.until_ready()
        worker = self._worker
        if worker is None:
            raise InvocationError("the functions app is not running")
        try:
            async with asyncio.timeout(timeout_s):
                result = await worker.invoke(request)
        except TimeoutError:
            worker.kill()
            self._ended(worker)  # end it now, so that the next invocation waits for a new worker
            raise InvocationError(
                f"Timeout value of {timeout_s} s exceeded by {request['function']}"
            ) from None
        self._deaths_in_a_row = 0
        return result

    def _ended(self, worker: FunctionsWorker) -> None:
        if worker is not self._worker or not self._ready.is_set():
            return
        self._ready.clear()
        self.deaths += 1
        self._deaths_in_a_row += 1
        log.error("functions_worker_died app=%s deaths=%s", self._name, self.deaths)
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        if self._deaths_in_a_row > 1:
            await asyncio.sleep(_pause_s(self._deaths_in_a_row))
        try:
            await self.start(self._environ)
        except NoFunctionsError as error:
            self._worker = None
            self._failed(str(error))
        self._ready.set()


def _pause_s(deaths: int) -> float:
    """Return the seconds to wait after this many deaths in a row."""
    return min(LONGEST_PAUSE_S, 0.1 * 2.0**deaths)
