"""The mailbox `https://mailbox.tidepool`, which stores the notifications that are posted to it.

It also stands for the webhooks of Slack, Discord and Teams, so that no message leaves this machine.
"""

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tidepool.default_resources import DISCORD_HOST, SLACK_HOST
from tidepool.store import Store

# https://discord.com/developers/docs/resources/webhook#execute-webhook
_LONGEST_ON_DISCORD = 2000


class Mailbox:
    """The received messages, oldest first: `{"time", "host", "path", "body"}`. A JSON body is parsed."""

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
        host = request.headers.get("host", "").partition(":")[0]
        if problem := _refusal(host, body):
            return JSONResponse({"message": problem}, status_code=400)
        path, time = request.url.path, datetime.now(UTC).isoformat()
        message = {"time": time, "host": host, "path": path, "body": body}
        self._store.put(f"/mailbox/{self._store.next('letter')}", message)
        return Response("ok" if host == SLACK_HOST else "", 204 if host == DISCORD_HOST else 200)


def _refusal(host: str, body: Any) -> str | None:
    """Return why the service that a host stands for would refuse a message, or None."""
    content = body.get("content") if isinstance(body, dict) else None
    if host == DISCORD_HOST and not (isinstance(content, str) and 0 < len(content) <= _LONGEST_ON_DISCORD):
        return f"content must have 1 to {_LONGEST_ON_DISCORD} characters"
    return None
