"""The process that answers for one deployment: started, ready, revived when it dies. Knows no resources."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tidepool.jobs.process import kill_tree
from tidepool.scheduler import Scheduler

log = logging.getLogger(__name__)

_START_S = 120.0  # to load the model
_REVIVE_S = (1.0, 60.0)  # before a process that died is started again: at first, at most
_TAIL = 2000  # characters of the log that an error quotes


class ServingError(Exception):
    """The process did not become ready; the message says why."""


@dataclass(frozen=True)
class Served:
    """What to run and where; `folder` is the working directory."""

    label: str
    command: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    log_file: Path


class ServingProcess:
    """One process, and its successors."""

    def __init__(self, served: Served, scheduler: Scheduler) -> None:
        self.served = served
        self.ready = False
        self.starting = False
        self._scheduler = scheduler
        self._process: asyncio.subprocess.Process | None = None
        self._http: httpx.AsyncClient | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Until it is ready; ServingError, and no process, where it does not get there."""
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.served.label}")

    async def score(self, body: bytes, content_type: str, timeout_s: float) -> httpx.Response:
        """One request; httpx.TimeoutException, or httpx.TransportError where the process dies on it."""
        assert self._http is not None
        headers = {"Content-Type": content_type}
        return await self._http.post("/score", content=body, headers=headers, timeout=timeout_s)

    def kill(self) -> None:
        """Let it die as if by itself."""
        if self._process is not None and self._process.returncode is None:
            kill_tree(self._process.pid)

    async def stop(self) -> None:
        self.ready = False
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        await self._end()

    async def _keep(self) -> None:
        """Start it again whenever it has died, later and later while that does not help."""
        delay_s, longest_s = _REVIVE_S
        while True:
            assert self._process is not None
            status = await self._process.wait()
            self.ready, self.starting = False, delay_s == _REVIVE_S[0]
            self._say(f"the process ended with status {status}; it is started again in {delay_s:g} s")
            await self._scheduler.sleep(delay_s, f"restart {self.served.label}")
            try:
                await self._launch()
                delay_s = _REVIVE_S[0]
            except ServingError:
                delay_s, self.starting = min(2 * delay_s, longest_s), False

    async def _launch(self) -> None:
        """The socket is open before the process is there: its first answer says that it is ready."""
        await self._end()
        self.served.log_file.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            port = listener.getsockname()[1]
            with self.served.log_file.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self.served.command,
                    f"--fd={listener.fileno()}",
                    cwd=self.served.folder,
                    env=dict(self.served.environ),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[listener.fileno()],
                )
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        try:
            answer = await self._http.get("/", timeout=_START_S)
        except httpx.HTTPError as error:
            await self._end()
            raise ServingError(self._why(error)) from error
        except asyncio.CancelledError:
            await self._end()
            raise
        self.ready, self.starting = answer.is_success, False

    async def _end(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._process is not None:
            self.kill()
            await self._process.wait()

    def _why(self, error: httpx.HTTPError) -> str:
        if isinstance(error, httpx.TimeoutException):
            return f"User container was not ready after {_START_S:g} s."
        tail = self.served.log_file.read_text(errors="replace")[-_TAIL:]
        return f"User container has crashed or terminated. The end of its log: {tail}"

    def _say(self, text: str) -> None:
        log.warning("scoring_process label=%s %s", self.served.label, text)
        with self.served.log_file.open("a") as output:
            output.write(f"Tidepool: {text}\n")
