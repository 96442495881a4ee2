"""The functions worker: a child process that indexes an app and runs its functions.

`python -m tidepool.functions.worker --socket FD APP_DIR` serves the host over an inherited socket. `python -m
tidepool.functions.worker --index-only APP_DIR` prints the time and the memory that the start takes, as JSON.
"""

import asyncio
import concurrent.futures
import json
import logging
import os
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from tidepool.functions.call import arguments, results
from tidepool.functions.frames import Message, Unpacker, pack
from tidepool.functions.index import IndexedFunction, described, index
from tidepool.functions.invocation import InvocationTask, create_task, current_invocation, local_storage

_THREADS_SETTING = "PYTHON_THREADPOOL_THREAD_COUNT"


class Channel:
    """The connection to the host. Any thread may call `send`; the order of the calls is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._frames: deque[bytes] = deque()
        self._scheduled = False
        self.transport: asyncio.WriteTransport | None = None

    def send(self, message: Message) -> None:
        self._frames.append(pack(message))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        frames = [self._frames.popleft() for _ in range(len(self._frames))]
        if frames and self.transport:
            self.transport.write(b"".join(frames))


class LogHandler(logging.Handler):
    """A log handler that sends each record to the host, with the id of its invocation."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a log call must never break the function
            text = f"{record.msg!r} could not be formatted: {traceback.format_exc()}"
        self._send(
            {
                "is": "log",
                "id": current_invocation(),
                "level": record.levelname,
                "logger": record.name,
                "text": text,
            }
        )


class WorkerProtocol(asyncio.Protocol):
    """The worker's side of the connection: plain functions run in threads, async functions on the loop."""

    def __init__(self, app_dir: Path, channel: Channel) -> None:
        self.functions: dict[str, IndexedFunction] = {}
        self._directory = str(app_dir)
        self._channel = channel
        self._unpacker = Unpacker()
        self._loop = asyncio.get_running_loop()
        self._threads = concurrent.futures.ThreadPoolExecutor(_thread_count())
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._channel.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        for request in self._unpacker.feed(data):
            function = self.functions[request["function"]]
            if function.is_async:
                task = InvocationTask(self._call_async(function, request), self._loop)
                task.invocation_id = request["id"]
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._threads.submit(self._call, function, request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        os._exit(0)  # a normal exit would wait for threads that hang in user code

    def _call(self, function: IndexedFunction, request: Message) -> None:
        local_storage.invocation_id = request["id"]
        try:
            values = arguments(function, request, self._directory)
            answer = {"ok": True, **results(function, values, function.call(**values))}
        except BaseException as error:  # noqa: BLE001 - any error of user code is the result
            answer = _failure(error)
        finally:
            local_storage.invocation_id = None
        self._channel.send({"is": "result", "id": request["id"], **answer})

    async def _call_async(self, function: IndexedFunction, request: Message) -> None:
        try:
            values = arguments(function, request, self._directory)
            answer = {"ok": True, **results(function, values, await function.call(**values))}
        except Exception as error:  # noqa: BLE001 - any error of user code is the result
            answer = _failure(error)
        self._channel.send({"is": "result", "id": request["id"], **answer})


def _failure(error: BaseException) -> Message:
    text = "".join(traceback.format_exception(error))
    return {"ok": False, "error": f"{type(error).__name__}: {error}", "traceback": text}


def _thread_count() -> int | None:
    count = os.environ.get(_THREADS_SETTING, "")
    return int(count) if count.isdecimal() and int(count) > 0 else None


async def serve(app_dir: Path, connection: socket.socket) -> None:
    """Index the app, send the index to the host, and serve until the host closes the connection."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(create_task)
    channel = Channel(loop)
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(channel.send)], format="%(message)s")
    _, worker = await loop.create_connection(lambda: WorkerProtocol(app_dir, channel), sock=connection)
    try:
        functions = index(app_dir)
    except BaseException:  # noqa: BLE001 - the host must get every error, SystemExit included
        channel.send({"is": "failed", "error": traceback.format_exc()})
    else:
        worker.functions = {function.name: function for function in functions}
        channel.send({"is": "indexed", "functions": list(described(functions)), **_cost()})
    await asyncio.Event().wait()


def report(app_dir: Path) -> dict[str, Any]:
    """Return the time and the memory that the start of an app takes, for the benchmark."""
    functions = index(app_dir)
    return {"functions": [function.name for function in functions], **_cost(), "modules": sorted(sys.modules)}


def _cost() -> dict[str, Any]:
    return {"seconds": round(_seconds_since_start(), 3), "rss": _resident_bytes()}


def _seconds_since_start() -> float:
    """Return the age of this process, which includes the start of Python.

    It is measured in steps of 10 ms.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.process_time()


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--index-only", app_dir]:
            print(json.dumps(report(Path(app_dir).resolve())))
        case ["--socket", number, app_dir]:
            asyncio.run(serve(Path(app_dir).resolve(), socket.socket(fileno=int(number))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
