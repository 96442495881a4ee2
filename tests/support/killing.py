"""Simulated kills of the service in this process, after a write took effect and before its answer arrives."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.pipeline.transport import RequestsTransport

_READS = {"GET", "HEAD", "OPTIONS"}
_ASKS = ("comp=userdelegationkey", "/listSecrets", "/listKeys", "/getLogs")  # by POST, and nothing changes


class Killed(BaseException):
    """The end of the service. It is a BaseException, because the product must not catch it, like SIGKILL."""


class KillSwitch:
    """A switch that raises Killed after each write of Azure's SDKs that was not made before.

    With `every`, it raises after each `every`th of these writes only.

    It raises an exception and sends no signal: the test goes on in this process with a new service.
    `writes` are the writes after which it raised.
    """

    def __init__(self, every: int = 1) -> None:
        self.writes: list[str] = []
        self._every = every
        self._made: set[str] = set()

    @contextmanager
    def armed(self) -> Iterator[None]:
        send = RequestsTransport.send

        def watched(transport: Any, request: Any, **options: Any) -> Any:
            answer = send(transport, request, **options)
            if request.method not in _READS and answer.status_code < 400 and self._is_due(request):
                self.writes.append(f"{request.method} {request.url.partition('?')[0]}")
                raise Killed
            return answer

        RequestsTransport.send = watched  # type: ignore[method-assign]
        try:
            yield
        finally:
            RequestsTransport.send = send  # type: ignore[method-assign]

    def _is_due(self, request: Any) -> bool:
        """Return whether to raise after this write; queries are left out because signatures differ."""
        if any(part in request.url for part in _ASKS):
            return False
        asked = request.headers.get("azureml-model-deployment", "")
        body = request.data or request.body
        content = f"{request.method} {request.url.partition('?')[0]} {asked} {body}"
        digest = hashlib.sha256(content.encode()).hexdigest()
        if digest in self._made:
            return False
        self._made.add(digest)
        return len(self._made) % self._every == 0
