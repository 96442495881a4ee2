"""What storage says of a copy: where it came from, and, when a rule says so, that it is pending or failed.

Azurite copies at once; this part copies nothing and only changes what is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

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
            changed |= self._progress(rule, headers)
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

    def _progress(self, rule: _Rule, headers: Headers) -> dict[str, str]:
        """Half of it is there while it is pending; nothing of a copy that failed."""
        total = header(headers, "x-ms-copy-progress").partition("/")[2]
        if self._scheduler.now() < rule.pending_until:
            progress = f"{int(total) // 2}/{total}" if total else ""
            return {
                "x-ms-copy-status": "pending",
                "x-ms-copy-progress": progress,
                "x-ms-copy-completion-time": "",
            }
        if not rule.fails:
            return {}
        return {
            "x-ms-copy-status": "failed",
            "x-ms-copy-status-description": "500 InternalServerError a fault that Tidepool was told to make",
            "x-ms-copy-progress": f"0/{total}" if total else "",
        }


def _public(source: str) -> str:
    """The source by its own name and without its signature, where it was rewritten for Azurite."""
    url = urlsplit(source)
    if url.hostname != "127.0.0.1":
        return source
    account, _, path = url.path.lstrip("/").partition("/")
    return f"https://{account}.blob.core.windows.net/{path}"
