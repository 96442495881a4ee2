"""Who may ask an endpoint for predictions: its keys, its tokens, Azure's roles."""

import hmac
import secrets
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tidepool.access.identity import LIFETIME_S, Identity
from tidepool.access.principals import Principal
from tidepool.arm.requests import ML
from tidepool.endpoints.rules import refused
from tidepool.errors import AzureError
from tidepool.store import Document, Store

AUDIENCE = "https://ml.azure.com"
_SCORE = f"{ML}/workspaces/onlineEndpoints/score/action"
_KEYS = "/endpointKeys"


class ScoringError(AzureError):
    """A refusal of the scoring host: it speaks plain text."""

    def response(self) -> PlainTextResponse:
        headers = {**self.headers, "x-ms-error-code": self.code}
        return PlainTextResponse(self.message, self.status, headers)


class EndpointKeys:
    """Two keys for each endpoint, kept apart from the endpoint itself."""

    def __init__(self, *, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def create(self, endpoint_id: str) -> None:
        if self._store.get(f"{_KEYS}{endpoint_id}") is None:
            self._store.put(f"{_KEYS}{endpoint_id}", {"primaryKey": _key(), "secondaryKey": _key()})

    def forget(self, endpoint_id: str) -> None:
        self._store.delete(f"{_KEYS}{endpoint_id}")

    def keys(self, endpoint: Document) -> Document:
        """400 where the endpoint goes by tokens."""
        self._expect(endpoint, "Key")
        return self._store.get(f"{_KEYS}{endpoint['id']}") or {}

    def regenerate(self, endpoint: Document, key_type: str, value: str | None) -> None:
        """Replace a key; by `value`, unless it is the key that is there (as the SDK sends it)."""
        keys = self.keys(endpoint)
        name = {"primary": "primaryKey", "secondary": "secondaryKey"}.get(key_type.lower())
        if name is None:
            raise refused(f"keyType is '{key_type}': it must be Primary or Secondary.")
        new = value if value and value != keys[name] else _key()
        self._store.put(f"{_KEYS}{endpoint['id']}", {**keys, name: new})

    def token(self, endpoint: Document, principal: Principal) -> Document:
        """A token for this endpoint; 400 where it goes by keys."""
        self._expect(endpoint, "AMLToken")
        now = int(datetime.now(UTC).timestamp())
        return {
            "accessToken": self._identity.issue(endpoint["properties"]["scoringUri"], principal),
            "tokenType": "Bearer",
            "expiryTimeUtc": now + LIFETIME_S,
            "refreshAfterTimeUtc": now + LIFETIME_S // 2,
        }

    def check(self, request: Request, endpoint: Document) -> None:
        """401 or 403 unless the request may be answered."""
        mode = endpoint["properties"]["authMode"]
        if mode == "Key":
            self._check_key(request, endpoint)
        elif mode == "AMLToken":
            self._identity.check(request, endpoint["properties"]["scoringUri"])
        else:
            principal = self._identity.check(request, AUDIENCE)
            self._identity.authorize(principal, _SCORE, endpoint["id"])

    def _check_key(self, request: Request, endpoint: Document) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise ScoringError(401, "Unauthorized", "key_auth_bad_header_malformed")
        held = self.keys(endpoint).values()
        if not any(hmac.compare_digest(given.encode(), key.encode()) for key in held):
            raise ScoringError(401, "Unauthorized", "key_auth_access_denied")

    def _expect(self, endpoint: Document, mode: str) -> None:
        found = endpoint["properties"]["authMode"]
        if found != mode:
            raise refused(f"The online endpoint '{endpoint['name']}' has authMode {found}, not {mode}.")


def _key() -> str:
    return secrets.token_urlsafe(24)
