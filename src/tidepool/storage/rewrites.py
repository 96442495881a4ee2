"""What must be changed in a request before Azurite understands it, each with its reason.

Everything else goes untouched.
"""

from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from tidepool.storage.request import StorageRequest

Body = bytes | AsyncIterable[bytes]
_BLOB = ".blob.core.windows.net"


def rewritten(request: StorageRequest, body: Body, ports: Mapping[str, int]) -> tuple[StorageRequest, Body]:
    """The request as Azurite wants it; `ports` are Azurite's, by service."""
    if request.service == "table" and isinstance(body, bytes) and request.path.rstrip("/").endswith("$batch"):
        return _table_batch(request, body)
    if request.service == "blob" and request.header("x-ms-copy-source"):
        return _copy(request, ports), body
    return request, body


def _table_batch(request: StorageRequest, body: bytes) -> tuple[StorageRequest, bytes]:
    """Azurite parses the requests inside a `$batch` as path style only: `https://host/<account>/...`."""
    host = f" https://{request.account}.table.core.windows.net/".encode()
    changed = body.replace(host, host + request.account.encode() + b"/")
    return request.with_headers({"Content-Length": str(len(changed))}), changed


def _copy(request: StorageRequest, ports: Mapping[str, int]) -> StorageRequest:
    """Azurite checks a copy's source by a request of its own, and only where both have the same Host.

    So both become path style on Azurite's address. A signature over the headers does not survive that: copies
    between accounts work with bearer tokens and SAS, whose headers are not signed.
    """
    source = urlsplit(request.header("x-ms-copy-source"))
    host = source.netloc.lower()
    if not host.endswith(_BLOB) or (host == request.account + _BLOB and "sig=" not in source.query):
        return request
    here = f"127.0.0.1:{ports['blob']}"
    query = f"?{source.query}" if source.query else ""
    path_style = f"https://{here}/{host.removesuffix(_BLOB)}{source.path}{query}"
    moved = replace(request, target=b"/" + request.account.encode() + request.target)
    return moved.with_headers({"Host": here, "x-ms-copy-source": path_style})
