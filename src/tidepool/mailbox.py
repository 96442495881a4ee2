"""The mailbox `https://mailbox.tidepool`, which stores the notifications that are posted to it."""

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidepool.store import Store


class Mailbox:
    """The received messages, oldest first: `{"time", "path", "body"}`. A JSON body is parsed."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self.app = Starlette(routes=[Route("/{path:path}", self._post, methods=["POST", "PUT"])])

    def messages(self) -> list[dict[str, Any]]:
        return [message for _, message in self._store.children("/mailbox")]

    async def _post(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = (await request.body()).decode(errors="replace")
        message = {"time": datetime.now(UTC).isoformat(), "path": request.url.path, "body": body}
        self._store.put(f"/mailbox/{self._store.next('letter')}", message)
        return Response(status_code=200)
