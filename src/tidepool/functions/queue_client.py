"""The queue operations that the functions host needs."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tidepool.access.principals import Principal
from tidepool.errors import AzureError
from tidepool.storage.azurite_client import Answer

# (account, service, method, target, headers, body): `StorageGateway.send`.
Send = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    id: str
    pop_receipt: str
    text: str
    dequeue_count: int
    inserted: str
    expires: str
    next_visible: str


class QueueClient:
    """One queue of one account.

    Requests need a role of `principal`. Without one, they are made with the key of the account.
    """

    def __init__(self, *, send: Send, account: str, queue: str, principal: Principal | None = None) -> None:
        self.account = account
        self.queue = queue
        self._principal = principal
        self._send = send

    def beside(self, queue: str) -> "QueueClient":
        """Return another queue of the account, with the same identity."""
        return QueueClient(send=self._send, account=self.account, queue=queue, principal=self._principal)

    async def receive(self, count: int, lease_s: int) -> list[ReceivedMessage]:
        """Return up to `count` visible messages and hide them for `lease_s` seconds.

        The list is empty if the queue does not exist.
        """
        answer = await self._ask("GET", f"numofmessages={count}&visibilitytimeout={lease_s}", holds=True)
        return [] if answer.status == 404 else [_message(element) for element in _elements(answer)]

    async def visible(self) -> int:
        """Return how many messages are visible now, for Tidepool itself. The count stops at 32."""
        target = f"/{self.queue}/messages?peekonly=true&numofmessages=32"
        answer = await self._send(self.account, "queue", "GET", target)
        return 0 if answer.status == 404 else len(_elements(answer))

    async def put(self, text: str) -> None:
        """Add a message. If the queue does not exist, create it."""
        body = f"<QueueMessage><MessageText>{escape(text)}</MessageText></QueueMessage>".encode()
        answer = await self._ask("POST", "", body=body)
        if answer.status == 404:
            await self.create()
            answer = await self._ask("POST", "", body=body)
        _check(answer)

    async def create(self) -> None:
        _check(await self._send(self.account, "queue", "PUT", f"/{self.queue}", principal=self._principal))

    async def delete(self, message: ReceivedMessage) -> None:
        """Delete a message. Do nothing if it is already deleted, or if another host has received it."""
        await self._ask("DELETE", f"popreceipt={quote(message.pop_receipt, safe='')}", message.id)

    async def hide(self, message: ReceivedMessage, seconds: int, *, holds: bool = False) -> str:
        """Hide a message for a number of seconds, and return its new pop receipt.

        The receipt is "" if another host has received the message. `holds` is true if this host still
        processes the message.
        """
        query = f"popreceipt={quote(message.pop_receipt, safe='')}&visibilitytimeout={seconds}"
        answer = await self._ask("PUT", query, message.id, holds=holds)
        return answer.header("x-ms-popreceipt") if answer.status < 300 else ""

    async def _ask(
        self, method: str, query: str, message: str = "", body: bytes = b"", *, holds: bool = False
    ) -> Answer:
        target = (
            f"/{self.queue}/messages" + (f"/{message}" if message else "") + (f"?{query}" if query else "")
        )
        answer = await self._send(
            self.account, "queue", method, target, body=body, holds=holds, principal=self._principal
        )
        if answer.status >= 400 and answer.status != 404 and not message:
            _check(answer)
        return answer


def encode(content: str | bytes, *, base64_encoded: bool) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.b64encode(raw).decode() if base64_encoded else raw.decode()


def decode(text: str, *, base64_encoded: bool) -> str | bytes:
    """Return the content of a message: a string if it is UTF-8, otherwise bytes.

    Raise ValueError if the text should be base64 but is not.
    """
    if not base64_encoded:
        return text
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the message is not base64: {error}") from error
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _elements(answer: Answer) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(answer.body).iter("QueueMessage"))


def _message(element: ElementTree.Element) -> ReceivedMessage:
    return ReceivedMessage(
        id=element.findtext("MessageId", ""),
        pop_receipt=element.findtext("PopReceipt", ""),
        text=element.findtext("MessageText", ""),
        dequeue_count=int(element.findtext("DequeueCount", "1")),
        inserted=_time(element, "InsertionTime"),
        expires=_time(element, "ExpirationTime"),
        next_visible=_time(element, "TimeNextVisible"),
    )


def _time(element: ElementTree.Element, name: str) -> str:
    return parsedate_to_datetime(element.findtext(name, "")).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _check(answer: Answer) -> None:
    if answer.status >= 300:
        code = answer.header("x-ms-error-code") or "StorageError"
        raise AzureError(answer.status, code, answer.body.decode(errors="replace"))
