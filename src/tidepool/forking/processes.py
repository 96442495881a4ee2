"""The fork server and its forks, seen from the supervisor."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tidepool.forking.server import Order

# A fork server without forks ends after this time, because it holds some 130 MB.
_IDLE_S = 120.0
_MODULES = ("mlflow.pyfunc.scoring_server", "mlflow.utils.proto_json_utils", "numpy.random")
_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "MALLOC_ARENA_MAX": "2",  # threads share their memory, which saves some of it
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class ForkError(OSError):
    """The fork server ended before it had forked."""


class ForkedProcess:
    """A fork, with those members of asyncio's process that its users need."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer
        self._ended = asyncio.create_task(self._end(), name=f"fork {pid}")

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Return the exit status, when the process has ended."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _end(self) -> int:
        """Wait for the exit status. If the fork server itself has ended, kill the fork that is left."""
        line = await self._reader.readline()
        self._writer.close()
        if line:
            return int(line)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return -signal.SIGKILL


class ForkedProcesses:
    """The fork server, which is started with the first fork and has imported `modules`, and its forks."""

    def __init__(self, modules: Sequence[str] = _MODULES, idle_s: float = _IDLE_S) -> None:
        self._modules = modules
        self._idle_s = idle_s
        self._server: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._live: set[asyncio.Task[int]] = set()
        self._lock = asyncio.Lock()
        self._ending: asyncio.TimerHandle | None = None

    async def fork(self, order: Order, *, listener: socket.socket, log_file: Path) -> ForkedProcess:
        """Run a program in a fork, with the listener. Its output is added to the log."""
        if self._ending is not None:
            self._ending.cancel()
        try:
            return await self._fork(order, listener, log_file)
        except ForkError:  # the fork server had died, and another one is started
            return await self._fork(order, listener, log_file)
        finally:
            self._end_if_idle()

    async def _fork(self, order: Order, listener: socket.socket, log_file: Path) -> ForkedProcess:
        async with self._lock:
            control = await self._started()
        mine, link = socket.socketpair()
        with link, log_file.open("ab") as log, contextlib.suppress(BrokenPipeError):
            socket.send_fds(control, [b"1"], [link.fileno(), listener.fileno(), log.fileno()])
        reader, writer = await asyncio.open_unix_connection(sock=mine)
        try:
            writer.write(json.dumps(asdict(order)).encode() + b"\n")
            line = await reader.readline()
        except ConnectionError:
            line = b""
        except BaseException:
            writer.close()  # the fork server then kills the fork
            raise
        if not line:
            writer.close()
            if control is self._control:
                self._close()
            raise ForkError("The fork server ended. Tidepool's log says why: tidepool logs supervisor")
        process = ForkedProcess(int(line), reader, writer)
        end = asyncio.create_task(process.wait())
        self._live.add(end)
        end.add_done_callback(self._ended)
        return process

    async def stop(self) -> None:
        """End the fork server. The forks are ended by those who asked for them."""
        if self._ending is not None:
            self._ending.cancel()
        self._close()
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                self._server.kill()
            await self._server.wait()

    async def _started(self) -> socket.socket:
        if self._control is not None:
            return self._control
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidepool.forking.server", str(theirs.fileno()), *self._modules),
                env={**os.environ, **_ENVIRONMENT},
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return self._control

    def _ended(self, fork: asyncio.Task[int]) -> None:
        self._live.discard(fork)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        """Let the fork server end after a time if it has no forks now."""
        if self._ending is not None:
            self._ending.cancel()
        loop = asyncio.get_running_loop()
        self._ending = None if self._live else loop.call_later(self._idle_s, self._close)

    def _close(self) -> None:
        """Close the socket of the fork server, which ends it."""
        if self._control is not None:
            self._control.close()
            self._control = None
