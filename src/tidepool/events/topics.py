"""The custom topics and their endpoint, `POST https://<topic>.<region>-1.eventgrid.azure.net/api/events`."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidepool.access.identity import Identity
from tidepool.access.principals import with_object_ids
from tidepool.access.roles import SEND_EVENTS
from tidepool.arm.requests import resource
from tidepool.default_resources import LOCATION, custom_topic_host
from tidepool.errors import AzureError, not_emulated
from tidepool.events.schemas import MAX_EVENT_BYTES, Event, accept_cloud_events, accept_grid_events
from tidepool.store import Document, Store

AUDIENCE = "https://eventgrid.azure.net"
_COLLECTION = "/eventgrid/topics"

Publish = Callable[[str, list[Event]], Awaitable[None]]


class Topics:
    """The custom topics of a Tidepool, which all have the same `key`, in base64.

    They pass accepted events to `publish`.
    """

    def __init__(self, *, store: Store, identity: Identity, publish: Publish, key: str) -> None:
        self._store = store
        self._identity = identity
        self._publish = publish
        self.key = key
        self.app = Starlette(
            routes=[
                Route("/api/events", self._receive, methods=["POST"]),
                Route("/{path:path}", self._refuse),
            ],
            exception_handlers={AzureError: _error_response},
        )

    def change(self, topic_id: str, body: Document) -> tuple[Document, bool]:
        """Create or change a custom topic. Return its resource, and whether it is new.

        Raise AzureError 409 if a topic of another resource group has the name, which is part of its address.
        """
        path = f"{_COLLECTION}/{topic_id.rpartition('/')[2]}"
        existing = self._store.get(path)
        if existing and existing["id"].lower() != topic_id.lower():
            raise AzureError(409, "TopicNameTaken", f"The name of the topic is taken by {existing['id']}.")
        document = existing or {"id": topic_id, "key": self.key}
        properties = {**(document.get("properties") or {}), **(body.get("properties") or {})}
        outer = {key: body[key] for key in ("location", "tags") if body.get(key) is not None}
        identity = with_object_ids(topic_id, body.get("identity")) or document.get("identity")
        changed = {**document, **outer, "properties": properties, "identity": identity}
        self._store.put(path, changed)
        return as_resource(changed), existing is None

    def at(self, topic_id: str) -> Document | None:
        """Return the resource of the custom topic with an id, or None."""
        document = self._store.get(f"{_COLLECTION}/{topic_id.rpartition('/')[2]}")
        return as_resource(document) if document and document["id"].lower() == topic_id.lower() else None

    def all(self) -> list[Document]:
        """Return the resources of all custom topics."""
        return [as_resource(document) for _, document in self._store.children(_COLLECTION)]

    def delete(self, topic_id: str) -> bool:
        """Delete a custom topic. Return whether there was one."""
        return self._store.delete(f"{_COLLECTION}/{topic_id.rpartition('/')[2]}")

    async def _receive(self, request: Request) -> Response:
        name = request.url.hostname.partition(".")[0] if request.url.hostname else ""
        topic = self._store.get(f"{_COLLECTION}/{name}")
        if topic is None:
            raise AzureError(404, "NotFound", f"The topic '{name}' does not exist.")
        self._authenticate(request, topic)
        body = await request.body()
        if len(body) > MAX_EVENT_BYTES:
            raise AzureError(
                413, "RequestEntityTooLarge", f"The maximum size (1 MB) was exceeded: {len(body)} bytes."
            )
        await self._publish(topic["id"], _events(request, body, topic["id"]))
        return Response()

    async def _refuse(self, request: Request) -> Response:
        raise not_emulated(request.method, str(request.url))

    def _authenticate(self, request: Request, topic: Document) -> None:
        headers, key = request.headers, topic["key"]
        has_key = "aeg-sas-key" in headers or "aeg-sas-token" in headers
        if has_key and (topic.get("properties") or {}).get("disableLocalAuth"):
            raise _unauthorized("Local authentication is disabled for this topic: a token is needed.")
        if "aeg-sas-key" in headers:
            if not hmac.compare_digest(headers["aeg-sas-key"], key):
                raise _unauthorized("The request authorization key is not authorized for this topic.")
        elif "aeg-sas-token" in headers:
            _check_token(headers["aeg-sas-token"], key)
        else:
            principal = self._identity.check(request, AUDIENCE)
            if not self._identity.allows(principal, SEND_EVENTS, topic["id"], data=True):
                raise _unauthorized(
                    "The principal associated with access token presented with the incoming request "
                    f"does not have permission to send data to {topic['id']}."
                )


def as_resource(document: Document) -> Document:
    """Return the resource of a custom topic."""
    topic_id = document["id"]
    properties = {
        "inputSchema": "EventGridSchema",
        **(document.get("properties") or {}),
        "endpoint": f"https://{custom_topic_host(topic_id.rpartition('/')[2])}/api/events",
        "provisioningState": "Succeeded",
    }
    outer = {"location": document.get("location") or LOCATION, "tags": document.get("tags") or {}}
    if identity := document.get("identity"):
        outer["identity"] = identity
    return resource(topic_id, properties, **outer)


def _events(request: Request, body: bytes, topic: str) -> list[Event]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        parsed: Any = json.loads(body)
    except ValueError as error:
        raise AzureError(400, "BadRequest", "The request body is not valid JSON.") from error
    if media_type.startswith("application/cloudevents"):
        return accept_cloud_events(parsed)
    return accept_grid_events(parsed, topic)


def _check_token(token: str, key: str) -> None:
    """Check a SAS token `r=<resource>&e=<expiry>&s=<signature>`.

    The signature covers the text before `&s=`.
    """
    signed, _, signature = token.rpartition("&s=")
    expected = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    is_genuine = hmac.compare_digest(unquote(signature).encode(), base64.b64encode(expected))
    if not is_genuine or _expired(parse_qs(signed).get("e", [""])[0]):
        raise _unauthorized("The request authorization token is invalid or has expired.")


def _expired(expiry: str) -> bool:
    try:
        moment = datetime.fromisoformat(expiry)
    except ValueError:
        try:
            moment = datetime.strptime(expiry, "%m/%d/%Y %I:%M:%S %p")  # as .NET writes it
        except ValueError:
            return True
    return moment.replace(tzinfo=moment.tzinfo or UTC) < datetime.now(UTC)


def _unauthorized(message: str) -> AzureError:
    return AzureError(401, "Unauthorized", message)


async def _error_response(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AzureError)
    return error.response()
