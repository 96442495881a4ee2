"""The gateway to storage. It forwards requests to Azurite and raises the events of successful requests."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tidepool.access.principals import Principal
from tidepool.errors import AzureError
from tidepool.faults import Faults
from tidepool.storage.authorization import StorageAuthorization
from tidepool.storage.azurite_client import Answer, AzuriteClient, AzuriteDiedError, OpenResponse
from tidepool.storage.blob_batches import is_batch
from tidepool.storage.blob_events import Event
from tidepool.storage.blob_watch import BlobWatch
from tidepool.storage.clock_shift import lists_blobs, shifted_headers, shifted_listing, shifted_request
from tidepool.storage.copies import Copies
from tidepool.storage.queue_watch import QueueWatch
from tidepool.storage.request import Headers, StorageRequest
from tidepool.storage.rewrites import rewritten

log = logging.getLogger(__name__)

Publish = Callable[[str, list[dict[str, Any]]], Awaitable[None]]
_WHOLE = 4 * 1024 * 1024  # bodies up to this size are read before they are forwarded
_VERSION = "2021-12-02"
_WRONG_KEY = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
    "correctly including the signature."
)
_OWN_ATTEMPTS = 4
_OWN_PAUSE_S = 0.5


class StorageGateway:
    """The ASGI app of `<account>.{blob,queue,table}.core.windows.net`.

    Other parts of Tidepool call `send`. `sequence` returns the next event number. `publish` is the method of
    EventGrid.
    """

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        client: AzuriteClient,
        queues: QueueWatch,
        authorization: StorageAuthorization,
        copies: Copies,
        faults: Faults,
        publish: Publish,
        sequence: Callable[[], int],
    ) -> None:
        self._client = client
        self.queues = queues
        self._authorization = authorization
        self._copies = copies
        self._faults = faults
        self._publish = publish
        self._blobs = BlobWatch(head=self._head, sequence=sequence, account_id=authorization.account_id)
        self._publishing: set[asyncio.Task[None]] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        self._authorization.check(Request(scope), request)
        shift_s = self._faults.value("clock", "shift", {"account": request.account}) or 0.0
        request = shifted_request(request, shift_s)
        response, events = await self._exchange(request, await _body(request, receive))
        if _has_wrong_key(request, response):
            response.close()
            raise AzureError(403, "AuthenticationFailed", _WRONG_KEY)
        try:
            response.headers = shifted_headers(response.headers, shift_s)
            if self._copies.changes_listing(request) or (shift_s and lists_blobs(request)):
                body = self._copies.listing_with_copy_status(request, await response.read())
                await _send_whole(send, response, shifted_listing(body, shift_s))
                return
            await send(
                {"type": "http.response.start", "status": response.status, "headers": response.headers}
            )
            if request.service != "blob" or is_batch(request):
                await send({"type": "http.response.body", "body": await response.read()})
                return
            async for chunk in response.stream():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            response.close()
            self._publish_later(request.account, events)

    async def send(  # noqa: PLR0913 - an HTTP request has this many parts
        self,
        account: str,
        service: str,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        holds: bool = False,
        principal: Principal | None = None,
        sas: str = "",
    ) -> Answer:
        """Send a request of Tidepool itself.

        The request raises the same events as a request of a client. `holds` is true if a functions host sends
        the request for messages that the host processes. With a `principal`, raise AzureError 403 if its
        roles do not allow the request. With a `sas` it is sent with this signature alone. Without both, the
        request is made as with the key of the account.
        If Azurite dies during the request, it is sent again, as Azure's services do with each other.
        """
        bare = StorageRequest(account, service, method, target.encode("latin-1"), [])
        if principal is not None and not await self._is_public(bare):
            self._authorization.require(principal, bare)
        if sas:
            signed = f"{target}{'&' if '?' in target else '?'}{sas}".encode("latin-1")
            bare = StorageRequest(account, service, method, signed, [])
            self._authorization.check_keys(bare)
        request = self._with_own_headers(bare, headers or {}, body, signed=bool(sas))
        response, events = await self._exchange_again(request, body, holds=holds)
        try:
            return Answer(response.status, response.headers, await response.read())
        finally:
            response.close()
            self._publish_later(account, events)

    async def _is_public(self, request: StorageRequest) -> bool:
        """Return whether everyone may send a request, because its container can be read without a token."""
        if request.service != "blob" or request.method not in ("GET", "HEAD"):
            return False
        answer = await self.send(request.account, "blob", "HEAD", f"/{request.segments[0]}?restype=container")
        return answer.header("x-ms-blob-public-access") == "container"

    async def forget_lost_messages(self) -> None:
        """Forget the queue messages of an earlier process that Azurite has lost."""
        for message in self.queues.all():
            answer = await self.send(message.account, "queue", "PUT", message.probe_target())
            if answer.status == HTTPStatus.NOT_FOUND:
                self.queues.forget(message)

    def publishing(self) -> list[str]:
        """Return one line for each event that is being sent to Event Grid."""
        return [task.get_name() for task in self._publishing]

    async def _exchange_again(
        self, request: StorageRequest, body: bytes, *, holds: bool
    ) -> tuple[OpenResponse, list[Event]]:
        for _ in range(_OWN_ATTEMPTS - 1):
            try:
                return await self._exchange(request, body, holds=holds)
            except AzuriteDiedError:
                await asyncio.sleep(_OWN_PAUSE_S)
        return await self._exchange(request, body, holds=holds)

    async def _exchange(
        self, request: StorageRequest, body: bytes | AsyncIterable[bytes], *, holds: bool = False
    ) -> tuple[OpenResponse, list[Event]]:
        await self._client.until_ready()
        changes = await self._blobs.before(request, body)
        response = await self._client.open(*rewritten(request, body, self._client.ports))
        response.headers = self._copies.with_copy_status(request, response.headers)
        if request.service == "queue":
            answer = Answer(response.status, response.headers, await response.read())
            self.queues.observe(request, answer, holds=holds)
        return response, await self._blobs.after(changes, response)

    async def _head(self, request: StorageRequest) -> Headers:
        head = StorageRequest(request.account, "blob", "HEAD", request.path.encode("latin-1"), [])
        response = await self._client.open(self._with_own_headers(head, {}, b""), b"")
        response.close()
        return response.headers

    def _with_own_headers(
        self, request: StorageRequest, headers: Mapping[str, str], body: bytes, *, signed: bool = False
    ) -> StorageRequest:
        return request.with_headers(
            {
                "Host": f"{request.account}.{request.service}.core.windows.net",
                "Authorization": "" if signed else f"Bearer {self._authorization.token()}",
                "x-ms-version": _VERSION,
                "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
                "Content-Length": str(len(body)),
                **headers,
            }
        )

    def _publish_later(self, account: str, events: list[Event]) -> None:
        for event in events:
            task = asyncio.create_task(self._guarded(account, event), name=f"event {event['subject']}")
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def _guarded(self, account: str, event: Event) -> None:
        try:
            await self._publish(self._authorization.account_id(account), [event])
        except Exception:
            log.exception("event_not_published subject=%s", event["subject"])


def _has_wrong_key(request: StorageRequest, response: OpenResponse) -> bool:
    """Return whether Azurite refused a request with the status of a malformed header, unlike Azure."""
    signed = request.header("authorization").lower().startswith("sharedkey")
    return signed and (b"x-ms-error-code", b"InvalidAuthenticationInfo") in response.headers


async def _send_whole(send: Send, response: OpenResponse, body: bytes) -> None:
    """Send a response with a changed body."""
    framing = (b"content-length", b"transfer-encoding")
    headers = [pair for pair in response.headers if pair[0].lower() not in framing]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _request(scope: Scope) -> StorageRequest:
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"expect", b"proxy-connection")]
    host = next(value for name, value in headers if name == b"host").decode("latin-1")
    account, service = host.lower().split(".")[:2]
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    return StorageRequest(account, service, scope["method"], target, headers)


async def _body(request: StorageRequest, receive: Receive) -> bytes | AsyncIterable[bytes]:
    chunks = _chunks(receive)
    if int(request.header("content-length") or 0) <= _WHOLE and not request.header("transfer-encoding"):
        return b"".join([chunk async for chunk in chunks])
    return chunks


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client disconnected before it had sent the whole body")
        more = message.get("more_body", False)
        yield message.get("body", b"")
