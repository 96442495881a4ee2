"""The HTTP client of Azurite, with pooled connections."""

import ssl
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import aiohttp
from yarl import URL

from tidepool.errors import AzureError
from tidepool.storage.azurite import Azurite
from tidepool.storage.request import Headers, StorageRequest, header

_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AzuriteDiedError(AzureError):
    """Azurite died during a request, which may have taken effect. Azurite is started again."""

    def __init__(self) -> None:
        super().__init__(503, "ServerBusy", "Azurite died during the request, and is started again.")


@dataclass(frozen=True)
class Answer:
    """A response of Azurite with its whole body."""

    status: int
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str:
        return header(self.headers, name)


class OpenResponse:
    """A response of Azurite whose body is not read yet. The caller closes it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Headers = list(answer.raw_headers)

    async def read(self) -> bytes:
        """Return the whole body. Repeated calls return the same bytes."""
        return await self._answer.read()

    def stream(self) -> AsyncIterator[bytes]:
        return self._answer.content.iter_any()

    def close(self) -> None:
        self._answer.release()


class AzuriteClient:
    """The HTTP client of the three services of an Azurite. It sends headers, raw path and query unchanged.

    A request waits while Azurite is started again. A request that Azurite died on is answered with 503.
    """

    def __init__(self, *, azurite: Azurite, authority: Path) -> None:
        self._azurite = azurite
        self._authority = authority
        self.ports = azurite.ports

    async def open(self, request: StorageRequest, body: bytes | AsyncIterable[bytes]) -> OpenResponse:
        """Send a request and return the response before its body is read."""
        target = request.target.decode("latin-1")
        port = self.ports.get(request.service)
        if port is None:
            raise AzuriteDiedError
        try:
            answer = await self._session.request(
                request.method,
                URL(f"https://127.0.0.1:{port}{target}", encoded=True),
                headers=_texts(request.headers),
                data=body or None,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectionError as error:
            raise AzuriteDiedError from error
        return OpenResponse(answer)

    async def until_ready(self) -> None:
        """Wait while Azurite is started again. Raise AzureError if that takes too long."""
        await self._azurite.until_listening()

    async def close(self) -> None:
        await self._session.close()

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """The HTTP session.

        It is created at the first request, because it belongs to the running event loop.
        """
        context = ssl.create_default_context(cafile=self._authority)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=200, keepalive_timeout=600),
            timeout=aiohttp.ClientTimeout(),  # there is no limit, because large blobs take long
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NOT_ADDED,
            auto_decompress=False,
        )


def _texts(headers: Headers) -> list[tuple[str, str]]:
    """Return headers as text for aiohttp, which writes UTF-8 and sets the transfer encoding itself."""
    try:
        texts = [(name.decode("ascii"), value.decode()) for name, value in headers]
    except UnicodeDecodeError as error:
        message = "The value for one of the HTTP headers is not in the correct format."
        raise AzureError(400, "InvalidHeaderValue", message) from error
    return [(name, value) for name, value in texts if name.lower() != "transfer-encoding"]
