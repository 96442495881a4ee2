"""What storage says of a copy: where it came from, and, when a rule says so, that it is pending or failed.

Azurite copies at once; this part copies nothing and only changes what is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from tidepool.faults import Faults
from tidepool.scheduler import Scheduler
from tidepool.storage.request import Headers, StorageRequest, header


@dataclass(frozen=True)
class _Rule:
    """Pending until then; afterwards failed, if it fails."""

    pending_until: datetime
    fails: bool


class Copies:
    """The copies that rules are about, by account and path."""

    def __init__(self, *, faults: Faults, scheduler: Scheduler) -> None:
        self._faults = faults
        self._scheduler = scheduler
        self._rules: dict[tuple[str, str], _Rule] = {}

    def told(self, request: StorageRequest, headers: Headers) -> Headers:
        """The headers of an answer, as Azure would have them."""
        if request.service != "blob" or not header(headers, "x-ms-copy-id"):
            return headers
        if request.header("x-ms-copy-source"):
            self._begin(request)
        changed = {"x-ms-copy-source": _public(header(headers, "x-ms-copy-source"))}
        if rule := self._rules.get((request.account, request.path)):
            total = header(headers, "x-ms-copy-progress").partition("/")[2]
            told = self._progress(rule, total)
            changed |= {f"x-ms-copy-{name}": value for name, value in told.items()}
        kept = [(name, value) for name, value in headers if name.decode().lower() not in changed]
        return kept + [(name.encode(), value.encode()) for name, value in changed.items() if value]

    def _begin(self, request: StorageRequest) -> None:
        facts = {"account": request.account, "path": request.path}
        pending_s = self._faults.value("copy", "pending", facts)
        fails = self._faults.value("copy", "fail", facts) is not None
        key = request.account, request.path
        if pending_s is None and not fails:
            self._rules.pop(key, None)
            return
        until = self._scheduler.now() + timedelta(seconds=pending_s or 0)
        self._rules[key] = _Rule(until, fails)

    def lists(self, request: StorageRequest) -> bool:
        """Whether the answer lists blobs, with copies that a rule is about."""
        container, name = request.segments
        asked = request.service == "blob" and request.query.get("comp") == "list" and not name
        return asked and bool(self._of(request.account, container))

    def listed(self, request: StorageRequest, body: bytes) -> bytes:
        """A listing, as Azure would have it."""
        rules = self._of(request.account, request.segments[0])
        try:
            listing = ElementTree.fromstring(body)
        except ElementTree.ParseError:
            return body
        for blob in listing.iter("Blob"):
            rule, properties = rules.get(blob.findtext("Name", "")), blob.find("Properties")
            if rule and properties is not None:
                _change(properties, self._progress(rule, properties.findtext("Content-Length", "")))
        return bytes(ElementTree.tostring(listing, encoding="utf-8", xml_declaration=True))

    def _of(self, account: str, container: str) -> dict[str, _Rule]:
        """The rules about a container's blobs, by name."""
        prefix = f"/{container}/"
        return {
            unquote(path).removeprefix(prefix): rule
            for (owner, path), rule in self._rules.items()
            if owner == account and path.startswith(prefix)
        }

    def _progress(self, rule: _Rule, total: str) -> dict[str, str]:
        """Half of it is there while it is pending; nothing of a copy that failed."""
        if self._scheduler.now() < rule.pending_until:
            progress = f"{int(total) // 2}/{total}" if total else ""
            return {"status": "pending", "progress": progress, "completion-time": ""}
        if not rule.fails:
            return {}
        description = "500 InternalServerError a fault that Tidepool was told to make"
        return {
            "status": "failed",
            "status-description": description,
            "progress": f"0/{total}" if total else "",
        }


def _change(properties: ElementTree.Element, told: dict[str, str]) -> None:
    for name, value in told.items():
        tag = "Copy" + "".join(word.capitalize() for word in name.split("-"))
        element = properties.find(tag)
        if element is None:
            element = ElementTree.SubElement(properties, tag)
        element.text = value


def _public(source: str) -> str:
    """The source by its own name and without its signature, where it was rewritten for Azurite."""
    url = urlsplit(source)
    if url.hostname != "127.0.0.1":
        return source
    account, _, path = url.path.lstrip("/").partition("/")
    return f"https://{account}.blob.core.windows.net/{path}"
