"""The copy status in responses: the source of a copy and, if a fault rule applies, a pending or failed copy.

Azurite copies at once. This module changes its responses so that they report what Azure would report.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from tidepool.faults import Faults
from tidepool.scheduler import Scheduler
from tidepool.storage.request import Headers, StorageRequest, header


@dataclass(frozen=True)
class _CopyFault:
    """A copy that is pending until a time, and then has failed or succeeded."""

    pending_until: datetime
    fails: bool


class Copies:
    """The copies with a fault, by account and path."""

    def __init__(self, *, faults: Faults, scheduler: Scheduler) -> None:
        self._faults = faults
        self._scheduler = scheduler
        self._copy_faults: dict[tuple[str, str], _CopyFault] = {}

    def with_copy_status(self, request: StorageRequest, headers: Headers) -> Headers:
        """Return the headers of a response as Azure would send them."""
        if request.service != "blob" or not header(headers, "x-ms-copy-id"):
            return headers
        if request.header("x-ms-copy-source"):
            self._begin(request)
        changed = {"x-ms-copy-source": _public(header(headers, "x-ms-copy-source"))}
        if fault := self._copy_faults.get((request.account, request.path)):
            total = header(headers, "x-ms-copy-progress").partition("/")[2]
            status = self._status(fault, total)
            changed |= {f"x-ms-copy-{name}": value for name, value in status.items()}
        kept = [(name, value) for name, value in headers if name.decode().lower() not in changed]
        return kept + [(name.encode(), value.encode()) for name, value in changed.items() if value]

    def _begin(self, request: StorageRequest) -> None:
        facts = {"account": request.account, "path": request.path}
        pending_s = self._faults.value("copy", "pending", facts)
        fails = self._faults.value("copy", "fail", facts) is not None
        key = request.account, request.path
        if pending_s is None and not fails:
            self._copy_faults.pop(key, None)
            return
        until = self._scheduler.now() + timedelta(seconds=pending_s or 0)
        self._copy_faults[key] = _CopyFault(until, fails)

    def changes_listing(self, request: StorageRequest) -> bool:
        """Return whether the request lists blobs and some of these blobs are copies with a fault."""
        container, name = request.segments
        is_listing = request.service == "blob" and request.query.get("comp") == "list" and not name
        return is_listing and bool(self._faults_in(request.account, container))

    def listing_with_copy_status(self, request: StorageRequest, body: bytes) -> bytes:
        """Return a listing as Azure would send it."""
        faults = self._faults_in(request.account, request.segments[0])
        try:
            listing = ElementTree.fromstring(body)
        except ElementTree.ParseError:
            return body
        for blob in listing.iter("Blob"):
            fault, properties = faults.get(blob.findtext("Name", "")), blob.find("Properties")
            if fault and properties is not None:
                _set(properties, self._status(fault, properties.findtext("Content-Length", "")))
        return bytes(ElementTree.tostring(listing, encoding="utf-8", xml_declaration=True))

    def _faults_in(self, account: str, container: str) -> dict[str, _CopyFault]:
        """Return the faults of the copies in a container, by blob name."""
        prefix = f"/{container}/"
        return {
            unquote(path).removeprefix(prefix): fault
            for (owner, path), fault in self._copy_faults.items()
            if owner == account and path.startswith(prefix)
        }

    def _status(self, fault: _CopyFault, total: str) -> dict[str, str]:
        """Return status and progress: half of the bytes while the copy is pending, none if it failed."""
        if self._scheduler.now() < fault.pending_until:
            progress = f"{int(total) // 2}/{total}" if total else ""
            return {"status": "pending", "progress": progress, "completion-time": ""}
        if not fault.fails:
            return {}
        description = "500 InternalServerError a fault that Tidepool injected"
        return {
            "status": "failed",
            "status-description": description,
            "progress": f"0/{total}" if total else "",
        }


def _set(properties: ElementTree.Element, status: dict[str, str]) -> None:
    for name, value in status.items():
        tag = "Copy" + "".join(word.capitalize() for word in name.split("-"))
        element = properties.find(tag)
        if element is None:
            element = ElementTree.SubElement(properties, tag)
        element.text = value


def _public(source: str) -> str:
    """Return the Azure URL of a copy source that was rewritten for Azurite, without its signature."""
    url = urlsplit(source)
    if url.hostname != "127.0.0.1":
        return source
    account, _, path = url.path.lstrip("/").partition("/")
    return f"https://{account}.blob.core.windows.net/{path}"
