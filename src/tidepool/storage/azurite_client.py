"""The pooled connections to Azurite. Sends requests as they are; knows neither events nor accounts."""

import ssl
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpcore

from tidepool.storage.request import Headers, StorageRequest, header


@dataclass(frozen=True)
class Answer:
    """A whole response of Azurite."""

    status: int
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str:
        return header(self.headers, name)


class AzuriteClient:
    """HTTP to the three services of one Azurite; header bytes, raw path and query go out untouched."""

    def __init__(self, *, ports: Mapping[str, int], authority: Path) -> None:
        self.ports = ports
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(cafile=authority),
            max_connections=200,
            max_keepalive_connections=100,
            retries=2,
        )

    async def open(self, request: StorageRequest, body: bytes | AsyncIterable[bytes]) -> httpcore.Response:
        """The response, unread; the caller reads and closes it."""
        port = self.ports[request.service]
        url = httpcore.URL(scheme=b"https", host=b"127.0.0.1", port=port, target=request.target)
        sent = httpcore.Request(request.method, url, headers=request.headers, content=body)
        return await self._pool.handle_async_request(sent)

    async def close(self) -> None:
        await self._pool.aclose()
