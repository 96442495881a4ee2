"""The changes to some requests that Azurite cannot process otherwise, with the reason for each change."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from tidepool.storage.request import StorageRequest

Body = bytes | AsyncIterable[bytes]
_BLOB = ".blob.core.windows.net"


def rewritten(request: StorageRequest, body: Body, ports: Mapping[str, int]) -> tuple[StorageRequest, Body]:
    """Return the request and the body for Azurite. `ports` are the ports of Azurite by service."""
    if request.service == "table" and isinstance(body, bytes) and request.path.rstrip("/").endswith("$batch"):
        return _table_batch(request, body)
    if request.service == "blob" and request.header("x-ms-copy-source"):
        return _copy(request, ports), body
    return request, body


def _table_batch(request: StorageRequest, body: bytes) -> tuple[StorageRequest, bytes]:
    """Rewrite the URLs inside a `$batch` to path style, `https://host/<account>/...`, as Azurite requires."""
    host = f" https://{request.account}.table.core.windows.net/".encode()
    changed = body.replace(host, host + request.account.encode() + b"/")
    return request.with_headers({"Content-Length": str(len(changed))}), changed


def _copy(request: StorageRequest, ports: Mapping[str, int]) -> StorageRequest:
    """Rewrite the URL and the source of a copy to path style on Azurite's address.

    Azurite checks the source of a copy by a request to itself, and only if both URLs have the same Host. This
    change breaks a signature over the headers. So copies between accounts work with bearer tokens and SAS,
    which do not sign headers.
    """
    source = urlsplit(request.header("x-ms-copy-source"))
    host = source.netloc.lower()
    if not host.endswith(_BLOB) or (host == request.account + _BLOB and "sig=" not in source.query):
        return request
    address = f"127.0.0.1:{ports['blob']}"
    query = f"?{source.query}" if source.query else ""
    path_style = f"https://{address}/{host.removesuffix(_BLOB)}{source.path}{query}"
    moved = replace(request, target=b"/" + request.account.encode() + request.target)
    return moved.with_headers({"Host": address, "x-ms-copy-source": path_style})
