"""Batches of blob requests. Each part of a multipart body contains a request or a response."""

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from urllib.parse import urlsplit

from tidepool.storage.request import Headers, StorageRequest


def is_batch(request: StorageRequest) -> bool:
    return request.service == "blob" and request.method == "POST" and request.query.get("comp") == "batch"


def requests_in(request: StorageRequest, body: bytes) -> dict[str, StorageRequest]:
    """Return the requests of a batch by their Content-ID."""
    requests: dict[str, StorageRequest] = {}
    for content_id, request_line, headers in _parts(body, request.header("content-type")):
        method, _, rest = request_line.partition(" ")
        url = rest.rpartition(" ")[0]
        target = urlsplit(url)._replace(scheme="", netloc="").geturl()
        requests[content_id] = replace(
            request, method=method, target=target.encode("latin-1"), headers=headers
        )
    return requests


def answers_in(body: bytes, content_type: str) -> dict[str, tuple[int, Headers]]:
    """Return the status and the headers of each response in a batch, by Content-ID."""
    return {
        content_id: (int(status_line.split(" ")[1]), headers)
        for content_id, status_line, headers in _parts(body, content_type)
    }


def _parts(body: bytes, content_type: str) -> Iterator[tuple[str, str, Headers]]:
    """Yield the Content-ID, the first line and the headers of the HTTP message in each part."""
    batch = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    for part in batch.walk():
        if part.get_content_type() == "application/http":
            message = bytes(part.get_payload(decode=True)).lstrip()
            first_line, _, rest = message.partition(b"\r\n")
            headers = [
                (name.encode(), value.encode("ascii", "surrogateescape"))
                for name, value in message_from_bytes(rest).raw_items()
            ]
            yield part.get("Content-ID", ""), first_line.decode("latin-1"), headers
