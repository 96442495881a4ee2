"""The access keys of a functions app, generated once and kept in the store."""

import hmac
import secrets
from enum import Enum

from starlette.requests import Request

from tidepool.store import Store

EVENT_GRID_EXTENSION = "eventgrid_extension"


class Level(Enum):
    """The authorization levels of HTTP triggers."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


class FunctionKeys:
    """The keys of an app.

    `master` allows everything. `default`, the host key, allows all functions. Each function has a key, too.
    """

    def __init__(self, store: Store, site: str) -> None:
        self._store = store
        self._path = f"/functions/{site}/keys"
        self.master = self._key("_master")
        self.default = self._key("default")
        self.event_grid = self._key(f"system.{EVENT_GRID_EXTENSION}")

    def of(self, function: str) -> str:
        """Return the key of a function."""
        return self._key(f"function.{function.lower()}")

    def opens(self, request: Request, level: Level, function: str) -> bool:
        if level is Level.ANONYMOUS:
            return True
        keys = [self.master] if level is Level.ADMIN else [self.master, self.default, self.of(function)]
        return _request_has(request, keys)

    def opens_event_grid(self, request: Request) -> bool:
        return _request_has(request, [self.event_grid, self.master])

    def _key(self, name: str) -> str:
        path = f"{self._path}/{name}"
        document = self._store.get(path)
        if document:
            return str(document["value"])
        value = secrets.token_hex(32)  # this is also valid base64, so that a topic can have the same key
        self._store.put(path, {"value": value})
        return value


def _request_has(request: Request, keys: list[str]) -> bool:
    given = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
    return any(hmac.compare_digest(given.encode(), key.encode()) for key in keys)
