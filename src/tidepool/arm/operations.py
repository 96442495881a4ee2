"""Long-running operations, whose state clients poll at the URL in `Azure-AsyncOperation` or `Location`."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import MANAGEMENT, ML, Call, Routes, kind
from tidepool.default_resources import LOCATION, SUBSCRIPTION
from tidepool.errors import AzureError, not_found
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

log = logging.getLogger(__name__)

# The pause between two polls of a client, in milliseconds. Without this header the SDKs wait 30 s. Short
# operations end within the first poll or two. A client that waits for a longer one polls less often.
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 30, 250
POLL = {"retry-after-ms": str(_FIRST_PAUSE_MS)}

_POLL_S = 0.02

Finish = Callable[[], Awaitable[Document | None]]


class Operations:
    """The operations of this Tidepool. If a restart interrupts an operation, the operation has failed."""

    def __init__(self, *, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler
        self._unfinished: dict[str, float] = {}  # the time of the start of each
        for path, operation in list(store.children("/operations")):
            if operation["status"] == "InProgress":
                error = {
                    "code": "OperationInterrupted",
                    "message": "Tidepool was restarted during this operation.",
                }
                store.put(path, {**operation, "status": "Failed", "error": error})

    def routes(self) -> Routes:
        return {
            (kind("locations", "operationsStatus"), "GET"): self._get,
            (kind("locations", "operationResults"), "GET"): self._result,
        }

    def begin(self, after_s: float, finish: Finish, label: str) -> dict[str, str]:
        """Run `finish` after `after_s` emulated seconds, and return the headers of the first response.

        The operation fails if `finish` returns an error (`{"code", "message"}`).
        """
        operation = self._begin(after_s, finish, label)
        url = f"{MANAGEMENT}{_resource_id(operation)}?api-version=2024-04-01"
        return {"Azure-AsyncOperation": url, "Location": url, **POLL}

    def begin_with_result(self, after_s: float, finish: Finish, label: str, base: str) -> dict[str, str]:
        """Do as `begin` does for a client that polls `Location`, which answers 202 until the operation ends.

        `base` is the address of the service that answers.
        """
        operation = self._begin(after_s, finish, label)
        return {"Location": f"{base}{_resource_id(operation, 'operationResults')}", **POLL}

    def _begin(self, after_s: float, finish: Finish, label: str) -> str:
        operation = str(uuid.uuid4())
        resource_id = _resource_id(operation)
        self._store.put(
            f"/operations/{operation}", {"id": resource_id, "name": operation, "status": "InProgress"}
        )
        self._unfinished[operation] = time.monotonic()

        async def end() -> None:
            try:
                error = await finish()
            except Exception:
                log.exception("operation_failed label=%s", label)
                error = {"code": "InternalServerError", "message": "Tidepool failed; see its log."}
            status = {"status": "Failed", "error": error} if error else {"status": "Succeeded"}
            self._store.put(f"/operations/{operation}", {"id": resource_id, "name": operation, **status})
            self._unfinished.pop(operation, None)

        self._scheduler.call_later(after_s, end, label)
        return operation

    async def wait(self, url: str) -> None:
        """Wait until the operation at a URL of `begin` has ended. An empty URL is no operation.

        Raise AzureError with the operation's error if it failed.
        """
        name = url.partition("?")[0].rpartition("/")[2]
        while (operation := self._store.get(f"/operations/{name}") if name else None) is not None:
            if operation["status"] == "Failed":
                error = operation["error"]
                raise AzureError(409, error["code"], _message(error))
            if operation["status"] != "InProgress":
                return
            await asyncio.sleep(_POLL_S)

    def unfinished(self) -> list[str]:
        """Return the names of the operations that have not ended."""
        return sorted(self._unfinished)

    async def _get(self, call: Call) -> Response:
        operation = self._existing(call)
        return JSONResponse(operation, headers=self._poll(operation))

    async def _result(self, call: Call) -> Response:
        operation = self._existing(call)
        if operation["status"] == "InProgress":
            return Response(status_code=202, headers=self._poll(operation))
        if error := operation.get("error"):
            raise AzureError(400, error["code"], error["message"])
        return Response(status_code=200)

    def _existing(self, call: Call) -> Document:
        operation = self._store.get(f"/operations/{call.path.names[1]}")
        if operation is None:
            raise not_found(call.path.text)
        return operation

    def _poll(self, operation: Document) -> dict[str, str]:
        """Return the header with the pause before the next poll: a fifth of the time since the start."""
        now = time.monotonic()
        pause_ms = (now - self._unfinished.get(operation["name"], now)) * 1000 / 5
        return {"retry-after-ms": f"{min(max(pause_ms, _FIRST_PAUSE_MS), _LONGEST_PAUSE_MS):.0f}"}


def _resource_id(operation: str, kind: str = "operationsStatus") -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/{ML}/locations/{LOCATION}/{kind}/{operation}"


def _message(error: Document) -> str:
    """Return the message of an error with the messages of its details, which say the cause."""
    details = [f"{detail['code']}: {detail['message']}" for detail in error.get("details") or []]
    return " ".join([error["message"], *details])
