"""The unmodified MLflow server: one process, started when a request first needs it."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path

import httpx

from tidepool.errors import AzureError
from tidepool.forking.processes import ForkedProcess, ForkedProcesses, ForkError
from tidepool.forking.server import Order

_START_S = 120
# A server without requests ends after this time, because it holds some 200 MB. The next request starts it.
IDLE_S = 120.0
_LOOK_EVERY_S = 5.0
_ENVIRONMENT = {
    "MLFLOW_ENABLE_WORKSPACES": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_SKILLS": "true",
    # Artifacts are in the storage of the workspaces, and clients read them there.
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "azureml://unused",
}
_MODULE = "tidepool.tracking.server_process"
_ARGUMENTS = ["mlflow.server.fastapi_app:app", "--log-level=warning", "--timeout-keep-alive=3600"]
_TABLES = ("/api/2.0/mlflow/experiments/search", {"max_results": 1})


class MlflowServer:
    """An `mlflow server` with one worker on SQLite. Its port is open before the process is ready.

    It ends after `idle_s` seconds of real time without a request.
    """

    def __init__(
        self, *, folder: Path, log_file: Path, forks: ForkedProcesses, idle_s: float = IDLE_S
    ) -> None:
        self._idle_s = idle_s
        self.database = folder / "mlflow.db"
        self._folder = folder
        self._log_file = log_file
        self._forks = forks
        self._starting: asyncio.Task[None] | None = None
        self._process: ForkedProcess | None = None
        self._http: httpx.AsyncClient | None = None
        self._idle: asyncio.Task[None] | None = None
        self._used = 0.0

    @property
    def ready(self) -> bool:
        """Return whether the server responds. It responds only after the tables of its database exist."""
        task = self._starting
        if task is None or not task.done() or task.cancelled() or task.exception():
            return False
        return self._process is not None and self._process.returncode is None

    def begin(self) -> asyncio.Task[None]:
        """Start the server unless it runs or is starting. A server that has ended is started again."""
        self._used = time.monotonic()
        if self._starting is None or (self._starting.done() and not self.ready):
            self._starting = asyncio.create_task(self._start())
        return self._starting

    async def ensure(self) -> httpx.AsyncClient:
        """Return a client of the running server. The first caller starts it, and all callers wait for it."""
        await asyncio.shield(self.begin())
        assert self._http is not None
        return self._http

    async def stop(self) -> None:
        for task in (self._starting, self._idle):
            if task is not None:
                task.cancel()
        await self._end()

    async def _end_when_idle(self) -> None:
        while time.monotonic() - self._used < self._idle_s:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._idle_s))
        await self._end()

    async def _end(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _start(self) -> None:
        """Start only the child process of `mlflow server`: the parent process would do nothing else."""
        self._folder.mkdir(parents=True, exist_ok=True)
        is_new = not self.database.exists()
        if is_new:
            with contextlib.suppress(FileNotFoundError):
                _copy(template(), self.database)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            port = listener.getsockname()[1]
            store = {"_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.database}"}
            order = Order(_MODULE, _ARGUMENTS, {**os.environ, **_ENVIRONMENT, **store}, str(self._folder))
            try:
                self._process = await self._forks.fork(order, listener=listener, log_file=self._log_file)
            except ForkError as error:
                raise AzureError(503, "ServiceUnavailable", str(error)) from error
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            trust_env=False,
            verify=False,  # plain HTTP; the certificates of all authorities would take long to load
            timeout=_START_S,
            headers={"Host": "localhost"},
        )
        await self._first_answer(self._http, self._process)
        self._used = time.monotonic()
        self._idle = asyncio.create_task(self._end_when_idle())
        if is_new and not template().exists():
            with contextlib.suppress(OSError, sqlite3.Error):  # an installation may be read-only
                await asyncio.to_thread(_keep_as_template, self.database)

    async def _first_answer(self, http: httpx.AsyncClient, process: ForkedProcess) -> None:
        """Wait until the tables exist, and raise AzureError if the process ends before that."""
        path, body = _TABLES
        answer = asyncio.create_task(http.post(path, json=body))
        death = asyncio.create_task(process.wait())
        await asyncio.wait([answer, death], return_when=asyncio.FIRST_COMPLETED)
        for task in (answer, death):
            task.cancel()
        if not answer.done() or answer.cancelled() or answer.exception() or answer.result().is_error:
            raise AzureError(
                503, "ServiceUnavailable", f"The MLflow server did not start. Its log is {self._log_file}."
            )


def template() -> Path:
    """Return the file of a database with MLflow's tables and without runs, whether or not it exists.

    MLflow creates its tables in dozens of migrations. The file keeps the result for this version of MLflow
    and this environment of the server. It is kept as bytecode is.
    """
    environment = hashlib.sha256(repr(sorted(_ENVIRONMENT.items())).encode()).hexdigest()[:8]
    return Path(__file__).parent / "__pycache__" / f"mlflow-{version('mlflow')}-{environment}.db"


def _keep_as_template(database: Path) -> None:
    """Keep a copy of a database that no client has written to."""
    template().parent.mkdir(exist_ok=True)
    part = _part_of(template())
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
    part.replace(template())


def _copy(source: Path, target: Path) -> None:
    """Copy a file. The target exists only when it is complete."""
    part = _part_of(target)
    shutil.copyfile(source, part)
    part.replace(target)


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.{os.urandom(4).hex()}")
