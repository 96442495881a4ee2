"""The gateway behind the proxy: it routes requests by host name, injects faults and records requests."""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidepool.errors import AzureError, not_emulated
from tidepool.faults import Faults, RequestFault

log = logging.getLogger(__name__)

RECORD_LENGTH = 100_000
_WRITE_METHODS = {"PUT", "POST", "PATCH", "DELETE", "MERGE"}
# POST requests that only read. They are recognised by the end of the path or by the query.
_READING = re.compile(
    r"/(list\w+|batchGet\w+|getLogs|token|(batch)?rundata|search|metadata|query)$", re.IGNORECASE
)
_READING_QUERY = "comp=userdelegationkey"
_STORAGE = re.compile(r"\.(blob|queue|table)\.core\.windows\.net$")
_CODES = {500: "InternalError", 502: "BadGateway", 503: "ServerBusy", 504: "GatewayTimeout"}
_WRITABLE = re.compile(r"\.core\.windows\.net$|^management\.azure\.com$|\.azureml\.(ms|net)$")


@dataclass(slots=True)  # up to RECORD_LENGTH of them are kept
class RecordedRequest:
    """A request that came through the proxy.

    `origin` names the owner of the proxy port. Status 0 means that the connection was cut without a response.
    """

    number: int
    time: str
    origin: str
    method: str
    host: str
    path: str
    query: str
    status: int = 0
    ms: float = 0.0
    write: bool = False


class Gateway:
    """The ASGI app behind the proxy. A request goes to the first mounted app whose pattern matches."""

    def __init__(self, *, faults: Faults, kill_worker: Callable[[str], None]) -> None:
        self._faults = faults
        self._kill_worker = kill_worker
        self._parts: list[tuple[re.Pattern[str], ASGIApp]] = []
        self._record: deque[RecordedRequest] = deque(maxlen=RECORD_LENGTH)
        self._count = 0

    def mount(self, pattern: str, app: ASGIApp) -> None:
        """Mount `app` for requests whose `host/path` starts with the regular expression `pattern`."""
        self._parts.append((re.compile(pattern, re.IGNORECASE), app))

    @property
    def last_request(self) -> int:
        """Return the number of the newest request, 0 if there was none."""
        return self._count

    def requests(
        self, *, origin: str | None = None, host: str = "", path: str = "", after: int = 0
    ) -> list[dict[str, Any]]:
        """Return the recorded requests, oldest first.

        They come from `origin` if it is given, the name of their host starts with `host`, their path contains
        `path`, and their numbers are higher than `after`.
        """
        first = max(0, len(self._record) - (self._count - after))
        return [
            asdict(entry)
            for entry in islice(self._record, first, None)
            if origin in (None, entry.origin) and entry.host.startswith(host) and path in entry.path
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self._open(scope)
        started = time.perf_counter()
        recorder = _StatusRecorder(entry, send)
        try:
            await self._answer(scope, receive, recorder.send, entry)
        except AzureError as error:
            await _refusal(entry.host, error)(scope, receive, recorder.send)
        except _CutError:
            scope["state"]["connection"].abort()
        except Exception:
            log.exception("part_failed method=%s host=%s path=%s", entry.method, entry.host, entry.path)
            if entry.status == 0:
                await _refusal(entry.host, _FAILED)(scope, receive, recorder.send)
        finally:
            entry.ms = round((time.perf_counter() - started) * 1000, 2)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, entry: RecordedRequest) -> None:
        fault = self._faults.for_request(
            method=entry.method, host=entry.host, path=entry.path, origin=entry.origin
        )
        if fault is not None:
            await _inject(fault)
        if _is_write(entry):
            send = self._marking_writes(entry, send)
        await self._part(entry)(scope, receive, send)

    def _part(self, entry: RecordedRequest) -> ASGIApp:
        target = entry.host + entry.path
        for pattern, app in self._parts:
            if pattern.match(target):
                return app
        raise not_emulated(entry.method, f"https://{target}")

    def _marking_writes(self, entry: RecordedRequest, send: Send) -> Send:
        """Mark requests that wrote something.

        If a fault rule applies, kill the worker that sent the request.
        """

        async def mark_and_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                entry.write = True
                if self._faults.kills_worker_after(entry.origin):
                    self._kill_worker(entry.origin)
                    raise _CutError
            await send(message)

        return mark_and_send

    def _open(self, scope: Scope) -> RecordedRequest:
        self._count += 1
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        entry = RecordedRequest(
            number=self._count,
            time=datetime.now(UTC).isoformat(),
            origin=scope["state"]["origin"],
            method=scope["method"],
            host=host.partition(":")[0].lower(),
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
        )
        self._record.append(entry)
        return entry


_FAILED = AzureError(
    500, "InternalServerError", "Tidepool failed. To see its log, run: tidepool logs supervisor"
)


class _CutError(Exception):
    """The connection is cut without a response."""


class _StatusRecorder:
    """A `send` that records the status of the response."""

    def __init__(self, entry: RecordedRequest, send: Send) -> None:
        self._entry = entry
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
        await self._send(message)


def _is_write(entry: RecordedRequest) -> bool:
    return (
        entry.method in _WRITE_METHODS
        and _WRITABLE.search(entry.host) is not None
        and _READING.search(entry.path) is None
        and _READING_QUERY not in entry.query
    )


def _refusal(host: str, error: AzureError) -> Response:
    storage = _STORAGE.search(host)
    return error.storage_response(storage[1]) if storage else error.response()


async def _inject(fault: RequestFault) -> None:
    if fault.timeout_s is not None:
        await asyncio.sleep(fault.timeout_s)
        raise _CutError
    if fault.status is None:
        await asyncio.sleep(fault.slow_s)
        return
    message = "a fault that Tidepool injected"
    if fault.status == 429:
        raise AzureError(429, "TooManyRequests", message, {"Retry-After": f"{fault.retry_after_s:g}"})
    raise AzureError(fault.status, _CODES.get(fault.status, "InternalServerError"), message)
