"""What azure-ai-ml sends to register something, sent again for other workspaces.

The SDK takes half a second of CPU to register what an installation needs, and the tests make a hundred of
them. So the first one in a session is registered through the SDK, and the others with the same requests
under their own names.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import requests

from tests.support.azure_clients import MANAGEMENT, STORAGE, token

_ARM = "https://management.azure.com/"
_UPLOAD = "/startPendingUpload?"  # its answer names the container for the files of an asset


@dataclass(frozen=True)
class Recorded:
    """A request that created something. `container` is the one that its answer named, or empty."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    container: str

    def send(self, names: dict[str, str]) -> str:
        """Send the request with other names, and add the new name of the container to `names`.

        Return the URL of the operation that the request began, or "".
        """
        url = _renamed(self.url, names)
        body = _renamed(self.body.decode("latin-1"), names).encode("latin-1")
        answer = _send(self.method, url, self.headers, body)
        if self.container:
            names[self.container] = _container(answer)
        return answer.headers.get("Azure-AsyncOperation", "")


class Registration:
    """The requests of one kind of registration, recorded when it was made for the first time."""

    def __init__(self) -> None:
        self._names: Mapping[str, str] = {}
        self._requests: list[Recorded] = []

    def make(self, names: Mapping[str, str], register: Callable[[], None]) -> None:
        """Call `register`, or send the requests of its first call with these names instead of the first."""
        if self._names:
            renamed = {self._names[key]: names[key] for key in names}
            operations = [request.send(renamed) for request in self._requests]
            for operation in filter(None, operations):
                _wait_for(operation)
            return
        with patch.object(requests.Session, "send", self._recording(requests.Session.send)):
            register()
        self._names = dict(names)

    def _recording(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        """Return a `Session.send` that records the requests that create something."""

        def send_and_record(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            answer = send(session, request, **options)
            if answer.ok and (request.method == "PUT" or _UPLOAD in str(request.url)):
                self._requests.append(_recorded(request, answer))
            return answer

        return send_and_record


def _recorded(request: requests.PreparedRequest, answer: requests.Response) -> Recorded:
    url, body = str(request.url), request.body or b""
    assert isinstance(body, str | bytes), f"{url} has a body that is read as a stream"
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() in ("content-type", "if-none-match", "x-ms-version", "x-ms-blob-type")
        or name.lower().startswith("x-ms-meta-")
    }
    return Recorded(
        str(request.method),
        url if url.startswith(_ARM) else _unsigned(url),
        headers,
        body.encode() if isinstance(body, str) else body,
        _container(answer) if _UPLOAD in url else "",
    )


def _unsigned(url: str) -> str:
    """Return the URL of a blob without the signature that gives access to its container."""
    address, _, query = url.partition("?")
    operation = [part for part in query.split("&") if part.startswith("comp=")]
    return "?".join([address, *operation])


def _container(answer: requests.Response) -> str:
    reference = answer.json()["blobReferenceForConsumption"]
    return str(reference["blobUri"]).rstrip("/").rpartition("/")[2]


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def _send(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> requests.Response:
    bearer = {"Authorization": f"Bearer {token(MANAGEMENT if url.startswith(_ARM) else STORAGE)}"}
    answer = _session().request(method, url, data=body, headers={**headers, **bearer}, timeout=30)
    answer.raise_for_status()
    return answer


def _wait_for(operation: str) -> None:
    while (status := _send("GET", operation, {}).json()["status"]) == "InProgress":
        time.sleep(0.02)
    assert status == "Succeeded", f"{operation} ended as {status}"


@cache
def _session() -> requests.Session:
    return requests.Session()
