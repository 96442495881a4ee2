"""Long-running operations: what `Azure-AsyncOperation` points at until the scheduler has ended them."""

import uuid
from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import MANAGEMENT, ML, Call, Routes, kind
from tidepool.default_resources import LOCATION, SUBSCRIPTION
from tidepool.errors import not_found
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

# How often clients shall look: without this header the SDKs wait 30 s between two looks.
POLL = {"retry-after-ms": "30"}

Finish = Callable[[], Awaitable[Document | None]]


class Operations:
    """Begins operations and answers for them. One that a restart cut off counts as failed."""

    def __init__(self, *, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler
        for path, operation in list(store.children("/operations")):
            if operation["status"] == "InProgress":
                error = {
                    "code": "OperationInterrupted",
                    "message": "Tidepool was restarted during this operation.",
                }
                store.put(path, {**operation, "status": "Failed", "error": error})

    def routes(self) -> Routes:
        return {(kind("locations", "operationsStatus"), "GET"): self._get}

    def begin(self, after_s: float, finish: Finish, label: str) -> dict[str, str]:
        """Run `finish` after so many emulated seconds; the headers of the answer that begins the operation.

        `finish` may return an error (`{"code", "message"}`): the operation failed, then.
        """
        operation = str(uuid.uuid4())
        resource_id = (
            f"/subscriptions/{SUBSCRIPTION}/providers/{ML}/locations/{LOCATION}/operationsStatus/{operation}"
        )
        self._store.put(
            f"/operations/{operation}", {"id": resource_id, "name": operation, "status": "InProgress"}
        )

        async def end() -> None:
            error = await finish()
            status = {"status": "Failed", "error": error} if error else {"status": "Succeeded"}
            self._store.put(f"/operations/{operation}", {"id": resource_id, "name": operation, **status})

        self._scheduler.call_later(after_s, end, label)
        url = f"{MANAGEMENT}{resource_id}?api-version=2024-04-01"
        return {"Azure-AsyncOperation": url, "Location": url, **POLL}

    async def _get(self, call: Call) -> Response:
        operation = self._store.get(f"/operations/{call.path.names[1]}")
        if operation is None:
            raise not_found(call.path.text)
        return JSONResponse(operation, headers=POLL)
