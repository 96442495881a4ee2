"""The mailbox: keeps what was posted to `https://mailbox.tidepool`, to be read by tests and people."""

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidepool.store import Store


class Mailbox:
    """Letters in the order of their arrival: `{"time", "path", "body"}`, body parsed where it is JSON."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self.app = Starlette(routes=[Route("/{path:path}", self._post, methods=["POST", "PUT"])])

    def letters(self) -> list[dict[str, Any]]:
        return [letter for _, letter in self._store.children("/mailbox")]

    async def _post(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = (await request.body()).decode(errors="replace")
        letter = {"time": datetime.now(UTC).isoformat(), "path": request.url.path, "body": body}
        self._store.put(f"/mailbox/{self._store.next('letter')}", letter)
        return Response(status_code=200)
