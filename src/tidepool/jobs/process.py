"""The process of a job: start it, publish its output while it runs, and end it with all its descendants."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

_UPLOAD_EVERY_S = 1.0  # jobs.stream polls every two seconds
_CHUNK = 64 * 1024
PROCESS_ID = "TIDEPOOL_PROCESS"  # the variable that marks a process of a job and all its descendants
_AFTER_EXIT_S = 1.0  # the time to read the rest of the output after the process has ended


class LogStream:
    """The output of a process so far. `write` publishes it while the process runs."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._data = bytearray()
        self._written = 0
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")

    def add(self, data: bytes) -> None:
        self._data += data
        self._changed.set()

    async def publish(self) -> None:
        """Write new output, at most once a second, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.flush()
            await asyncio.sleep(_UPLOAD_EVERY_S)

    async def flush(self) -> None:
        size = len(self._data)
        if size > self._written:
            await self._write(bytes(self._data))
            self._written = size


async def run_process(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], output: LogStream
) -> int:
    """Run a process to its end, and return its exit status. If cancelled, kill it and its descendants."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(_read(process.stdout, output))
    publishing = asyncio.create_task(output.publish())
    try:
        status = await process.wait()
        _, still_open = await asyncio.wait([reading], timeout=_AFTER_EXIT_S)
        if still_open:
            await asyncio.to_thread(kill_strays, environ)
        return status
    finally:
        kill_tree(process.pid)
        for task in (reading, publishing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await output.flush()


def free_ports(count: int) -> list[int]:
    """Return TCP ports that no process uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [int(opened.getsockname()[1]) for opened in sockets]


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants."""
    try:
        root = psutil.Process(pid)
        processes = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_strays(environ: Mapping[str, str]) -> None:
    """Kill what a process of a job left behind. Its descendants have the same PROCESS_ID."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(PROCESS_ID) == environ[PROCESS_ID]:
                process.kill()


async def _read(stream: asyncio.StreamReader, output: LogStream) -> None:
    while data := await stream.read(_CHUNK):
        output.add(data)
