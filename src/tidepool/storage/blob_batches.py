"""Batches of blob requests: the requests inside a body, and what became of each.

Reads them; sends nothing.
"""

import re
from dataclasses import replace

from tidepool.storage.request import Headers, StorageRequest, header

_REQUEST_LINE = re.compile(rb"([A-Z]+) (?:https?://[^/ ]+)?(/[^ ]*) HTTP/1\.1\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ?[^\r\n]*\r\n")
_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)")


def is_batch(request: StorageRequest) -> bool:
    return request.service == "blob" and request.method == "POST" and request.query.get("comp") == "batch"


def requests_in(request: StorageRequest, body: bytes) -> dict[str, StorageRequest]:
    """The requests of a batch, by their Content-ID."""
    found: dict[str, StorageRequest] = {}
    for part in _parts(body, request.header("content-type")):
        if line := _REQUEST_LINE.search(part):
            inside = replace(
                request, method=line[1].decode(), target=line[2], headers=_headers(part[line.end() :])
            )
            found[header(_headers(part), "content-id")] = inside
    return found


def answers_in(body: bytes, content_type: str) -> dict[str, tuple[int, Headers]]:
    """Status and headers of each answer of a batch, by Content-ID."""
    found: dict[str, tuple[int, Headers]] = {}
    for part in _parts(body, content_type):
        if line := _STATUS_LINE.search(part):
            found[header(_headers(part), "content-id")] = int(line[1]), _headers(part[line.end() :])
    return found


def _parts(body: bytes, content_type: str) -> list[bytes]:
    boundary = _BOUNDARY.search(content_type)
    return body.split(b"--" + boundary[1].encode())[1:-1] if boundary else []


def _headers(text: bytes) -> Headers:
    lines = text.lstrip(b"\r\n").partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [
        (name.strip(), value.strip())
        for name, colon, value in (line.partition(b":") for line in lines)
        if colon
    ]
