"""The process that serves one deployment. It is started again whenever it ends."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tidepool.forking.processes import ForkedProcess, ForkedProcesses, ForkError
from tidepool.forking.server import Order
from tidepool.jobs.process import kill_tree
from tidepool.jobs.python_environments import PythonEnvironment
from tidepool.scheduler import Scheduler

log = logging.getLogger(__name__)

_START_S = 120.0  # to load the model
_RESTART_S = (1.0, 60.0)  # the first and the longest delay before a process that ended is started again
_TAIL = 2000  # characters of the log that an error quotes
_MODULE = "tidepool.endpoints.scoring_server"


class ServingError(Exception):
    """The process did not become ready. The message says why, and `code` is the code of Azure's error."""

    def __init__(self, message: str, code: str = "ResourceNotReady") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ProcessSpec:
    """How to start the process, in which Python environment. `folder` is its working directory.

    A `forked` process has MLflow's modules from the fork server.
    """

    label: str
    arguments: Sequence[str]
    forked: bool
    folder: Path
    environ: Mapping[str, str]
    log_file: Path
    environment: PythonEnvironment


class ServingProcess:
    """The process of a deployment, which is started again whenever it ends."""

    def __init__(self, spec: ProcessSpec, scheduler: Scheduler, forks: ForkedProcesses) -> None:
        self.spec = spec
        self.ready = False
        self.starting = False
        self._log_start = 0  # where the log of the present start begins
        self._scheduler = scheduler
        self._forks = forks
        self._process: asyncio.subprocess.Process | ForkedProcess | None = None
        self._http: httpx.AsyncClient | None = None
        self._restarting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, and wait until it is ready. Raise ServingError if it does not become ready."""
        await self._launch()
        self._restarting = asyncio.create_task(self._restart_when_ended(), name=f"keep {self.spec.label}")

    async def score(self, body: bytes, content_type: str, timeout_s: float) -> httpx.Response:
        """Send a scoring request to the process.

        Raise httpx.TimeoutException if it takes too long, or httpx.TransportError if the process ends.
        """
        assert self._http is not None
        headers = {"Content-Type": content_type}
        return await self._http.post("/score", content=body, headers=headers, timeout=timeout_s)

    async def describe(self, query: str, timeout_s: float) -> httpx.Response:
        """Ask the process for its OpenAPI description."""
        assert self._http is not None
        return await self._http.get(f"/swagger.json?{query}", timeout=timeout_s)

    def kill(self) -> None:
        """Kill the process as if it had crashed. It is started again."""
        if self._process is not None and self._process.returncode is None:
            kill_tree(self._process.pid)

    async def stop(self) -> None:
        self.ready = False
        if self._restarting is not None:
            self._restarting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restarting
        await self._end()

    async def _restart_when_ended(self) -> None:
        """Start the process again whenever it has ended. The delay grows while the start fails."""
        delay_s, longest_s = _RESTART_S
        while True:
            assert self._process is not None
            status = await self._process.wait()
            self.ready, self.starting = False, delay_s == _RESTART_S[0]
            self._note_end(status, delay_s)
            await self._scheduler.sleep(delay_s, f"restart {self.spec.label}")
            try:
                await self._launch()
                delay_s = _RESTART_S[0]
            except ServingError:
                delay_s, self.starting = min(2 * delay_s, longest_s), False

    async def _launch(self) -> None:
        """Start the process on an open socket. Wait for its first response, which shows that it is ready."""
        await self._end()
        self.spec.log_file.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            port = listener.getsockname()[1]
            self._process = await self._begin(listener)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            trust_env=False,
            verify=False,  # plain HTTP; the certificates of all authorities would take long to load
        )
        try:
            answer = await self._http.get("/", timeout=_START_S)
        except httpx.HTTPError as error:
            await self._end()
            raise ServingError(self._start_error(error)) from error
        except asyncio.CancelledError:
            await self._end()
            raise
        self.ready, self.starting = answer.is_success, False

    async def _begin(self, listener: socket.socket) -> asyncio.subprocess.Process | ForkedProcess:
        spec = self.spec
        with spec.log_file.open("ab") as output:
            self._log_start = output.tell()
            if spec.forked:
                order = Order(_MODULE, list(spec.arguments), dict(spec.environ), str(spec.folder))
                try:
                    return await self._forks.fork(order, listener=listener, log_file=spec.log_file)
                except ForkError as error:
                    raise ServingError(str(error)) from error
            return await asyncio.create_subprocess_exec(
                *(str(spec.environment.python), "-m", _MODULE, *spec.arguments),
                f"--fd={listener.fileno()}",
                cwd=spec.folder,
                env=dict(spec.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[listener.fileno()],
            )

    async def _end(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._process is not None:
            self.kill()
            await self._process.wait()

    def _start_error(self, error: httpx.HTTPError) -> str:
        """Return why the process did not become ready, in Azure's words, with the end of its log."""
        if isinstance(error, httpx.TimeoutException):
            return f"User container was not ready after {_START_S:g} s."
        output = self.spec.log_file.read_bytes()[self._log_start :].decode(errors="replace")
        environment = self.spec.environment
        hint = environment.hint(output) or environment.differences()
        return f"User container has crashed or terminated. {hint}\nThe end of its log: {output[-_TAIL:]}"

    def _note_end(self, status: int, delay_s: float) -> None:
        """Log the end of the process in Tidepool's log and in the log of the deployment."""
        label = self.spec.label
        log.warning("scoring_process_ended label=%s status=%d restart_in_s=%g", label, status, delay_s)
        with self.spec.log_file.open("a") as output:
            output.write(
                f"Tidepool: the process ended with status {status}. It is started again in {delay_s:g} s.\n"
            )
