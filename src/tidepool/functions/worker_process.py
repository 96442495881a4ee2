"""The host's side of a functions worker: its process, invocations, results and logs."""

import asyncio
import contextlib
import logging
import socket
import sys
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from tidepool.functions.frames import Message, Unpacker, pack

log = logging.getLogger("tidepool.functions.host")

LOG_LINES_KEPT = 5000
_CONSOLE = "Host.Function.Console"


# Where Azure, too, looks for the packages of an app: they are deployed with it.
PACKAGES = Path(".python_packages/lib/site-packages")


def worker_command(app_dir: Path) -> list[str]:
    """Return the command that starts a worker.

    An app with packages of its own runs with these only. Another app runs in Tidepool's own environment.
    """
    python, packages = [sys.executable, "-P", "-u"], app_dir / PACKAGES
    if packages.is_dir():
        return [*python, "-S", str(Path(__file__).with_name("worker_start.py")), str(packages)]
    return [*python, "-m", "tidepool.functions.worker"]


class InvocationError(Exception):
    """The function raised an error, or its worker died."""


@dataclass(frozen=True)
class LogLine:
    time: datetime
    function: str
    invocation: str
    level: str
    logger: str
    text: str


@dataclass
class _Call:
    function: str
    result: asyncio.Future[Message]


class FunctionsWorker(asyncio.Protocol):
    """A worker process. `ended` is called once, when its connection closes."""

    def __init__(
        self, *, app_dir: Path, environ: Mapping[str, str], lines: deque[LogLine], ended: Callable[[], None]
    ) -> None:
        self._app_dir = app_dir
        self._environ = environ
        self._lines = lines
        self._ended = ended
        self._unpacker = Unpacker()
        self._calls: dict[str, _Call] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._indexed: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> Message:
        """Start the process and return `{"is": "indexed", ...}` or `{"is": "failed", "error": ...}`.

        If the process ends before it has indexed the app, return `{"is": "died", "error": ...}`.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *worker_command(self._app_dir),
                *("--socket", str(theirs.fileno()), str(self._app_dir)),
                cwd=self._app_dir,
                env=dict(self._environ),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        self._readers = [asyncio.create_task(self._read_console(stream)) for stream in self._streams()]
        await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        return await self._indexed

    async def invoke(self, request: Message) -> Message:
        """Run a function once and return `{"outputs", "returned"}`. Raise InvocationError if it fails."""
        if self._transport is None:
            raise InvocationError("the functions worker is not running")
        invocation = str(uuid.uuid4())
        call = _Call(request["function"], asyncio.get_running_loop().create_future())
        self._calls[invocation] = call
        self._transport.write(pack({"id": invocation, **request}))
        try:
            return await call.result
        finally:
            self._calls.pop(invocation, None)

    def running(self) -> list[str]:
        """Return the name of the function of each running invocation."""
        return [call.function for call in self._calls.values()]

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        if self._process and self._process.returncode is None:
            self._process.kill()

    async def wait(self) -> None:
        """Wait until the process has ended and its console output is read."""
        if self._process:
            await self._process.wait()
            await asyncio.gather(*self._readers)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            match message["is"]:
                case "result":
                    self._finish(message)
                case "log":
                    self._log(message)
                case _:
                    self._indexed.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        if not self._indexed.done():
            self._indexed.set_result(
                {"is": "died", "error": "The functions worker died while it indexed the app."}
            )
        for call in list(self._calls.values()):
            if not call.result.done():
                call.result.set_exception(InvocationError("the functions worker died"))
        self._ended()

    def _finish(self, message: Message) -> None:
        call = self._calls.get(message["id"])
        if call is None or call.result.done():
            return
        if message["ok"]:
            call.result.set_result(message)
            return
        self._log(
            {**message, "level": "ERROR", "logger": f"Function.{call.function}", "text": message["traceback"]}
        )
        call.result.set_exception(InvocationError(message["error"]))

    def _log(self, message: Message) -> None:
        call = self._calls.get(message["id"])
        if call is None and message["logger"] != _CONSOLE:
            # Azure's host drops a line that belongs to no running invocation.
            level = logging.getLevelNamesMapping().get(message["level"], logging.INFO)
            log.log(level, "log_line_dropped logger=%s %s", message["logger"], message["text"])
            return
        line = LogLine(
            time=datetime.now(UTC),
            function=call.function if call else "",
            invocation=message["id"],
            level=message["level"],
            logger=message["logger"],
            text=message["text"],
        )
        self._lines.append(line)
        log.log(
            logging.getLevelNamesMapping().get(line.level, logging.INFO),
            "function_log function=%s invocation=%s logger=%s %s",
            *(line.function, line.invocation, line.logger, line.text),
        )

    def _streams(self) -> list[asyncio.StreamReader]:
        assert self._process is not None
        return [stream for stream in (self._process.stdout, self._process.stderr) if stream]

    async def _read_console(self, stream: asyncio.StreamReader) -> None:
        """Log what the app prints. As in Azure, these lines have no invocation id."""
        with contextlib.suppress(ValueError):  # raised for a line that is longer than the reader's limit
            async for line in stream:
                text = line.decode(errors="replace").rstrip()
                self._log({"id": "", "level": "INFO", "logger": _CONSOLE, "text": text})
