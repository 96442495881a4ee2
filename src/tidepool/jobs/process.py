"""The process of a job: started, followed while it writes, ended with all it started. Knows no runs."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

_UPLOAD_EVERY_S = 1.0  # jobs.stream asks every two seconds
_CHUNK = 64 * 1024
_MARK = "AZUREML_RUN_ID"
_AFTER_EXIT_S = 1.0  # for what a process that has ended left in the pipe


class LogStream:
    """What a process has written so far, put where people can read it while it runs."""

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
        """Write what is new, at most once a second, until cancelled."""
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
    """Run to the end and return the exit status. When cancelled, the process and its descendants die."""
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


def kill_tree(pid: int) -> None:
    """End a process and everything that descends from it."""
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_strays(environ: Mapping[str, str]) -> None:
    """End what a process that has ended left behind: its run's id is in their environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_MARK) == environ[_MARK]:
                process.kill()


async def _read(stream: asyncio.StreamReader, output: LogStream) -> None:
    while data := await stream.read(_CHUNK):
        output.add(data)
