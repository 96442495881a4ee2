"""Kills the service in this process right after a write took effect, before it sees the answer."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.pipeline.transport import RequestsTransport

_READS = {"GET", "HEAD", "OPTIONS"}
_ASKS = ("comp=userdelegationkey", "/listSecrets", "/listKeys", "/getLogs")  # by POST, and nothing changes


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class KillSwitch:
    """After each write of Azure's SDKs the end comes, the first time that it is made; `writes` are those.

    The end is an exception, not a signal: a fresh service that remembers nothing goes on in this process.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self._made: set[str] = set()

    @contextmanager
    def armed(self) -> Iterator[None]:
        send = RequestsTransport.send

        def watched(transport: Any, request: Any, **options: Any) -> Any:
            answer = send(transport, request, **options)
            if request.method not in _READS and answer.status_code < 400 and self._is_new(request):
                self.writes.append(f"{request.method} {request.url.partition('?')[0]}")
                raise Killed
            return answer

        RequestsTransport.send = watched  # type: ignore[method-assign]
        try:
            yield
        finally:
            RequestsTransport.send = send  # type: ignore[method-assign]

    def _is_new(self, request: Any) -> bool:
        """What is made again looks the same; queries differ where they are signed."""
        if any(one in request.url for one in _ASKS):
            return False
        asked = request.headers.get("azureml-model-deployment", "")
        body = request.data or request.body
        content = f"{request.method} {request.url.partition('?')[0]} {asked} {body}"
        digest = hashlib.sha256(content.encode()).hexdigest()
        new = digest not in self._made
        self._made.add(digest)
        return new
