"""The clock of a storage account that differs from that of its clients, as a fault rule asks for.

With a shift of zero seconds, requests and responses stay as they are.
"""

import re
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from tidepool.storage.request import Headers, StorageRequest

_IN_HEADERS = (b"date", b"last-modified")
_IN_CONDITIONS = ("If-Modified-Since", "If-Unmodified-Since")
_IN_LISTINGS = re.compile(rb"(?<=<Last-Modified>)[^<]+(?=</Last-Modified>)")


def lists_blobs(request: StorageRequest) -> bool:
    """Return whether the response lists containers or blobs, with the times of their last changes."""
    return request.service == "blob" and request.query.get("comp") == "list"


def shifted_request(request: StorageRequest, seconds: float) -> StorageRequest:
    """Return a request whose conditions name times of the shifted clock as the request of Azurite's clock."""
    if not seconds:
        return request
    conditions = {name: request.header(name) for name in _IN_CONDITIONS if request.header(name)}
    back = {name: _shifted(value.encode(), -seconds).decode() for name, value in conditions.items()}
    return request.with_headers(back) if back else request


def shifted_headers(headers: Headers, seconds: float) -> Headers:
    """Return the headers of a response with `Date` and `Last-Modified` of the shifted clock."""
    if not seconds:
        return headers
    return [
        (name, _shifted(value, seconds) if name.lower() in _IN_HEADERS else value) for name, value in headers
    ]


def shifted_listing(body: bytes, seconds: float) -> bytes:
    """Return the XML of a listing with each `Last-Modified` of the shifted clock."""
    return _IN_LISTINGS.sub(lambda match: _shifted(match[0], seconds), body) if seconds else body


def _shifted(value: bytes, seconds: float) -> bytes:
    moved: datetime = parsedate_to_datetime(value.decode("latin-1")) + timedelta(seconds=seconds)
    return format_datetime(moved, usegmt=True).encode()
