"""Authorization of requests to online endpoints: by key, by token or by Azure role."""

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
    """An error response of a scoring host, in plain text."""

    def response(self) -> PlainTextResponse:
        headers = {**self.headers, "x-ms-error-code": self.code}
        return PlainTextResponse(self.message, self.status, headers)


class EndpointKeys:
    """The keys and the tokens of endpoints.

    Each endpoint has two keys, which are stored apart from the endpoint.
    """

    def __init__(self, *, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def create(self, endpoint_id: str) -> None:
        if self._store.get(f"{_KEYS}{endpoint_id}") is None:
            self._store.put(f"{_KEYS}{endpoint_id}", {"primaryKey": _key(), "secondaryKey": _key()})

    def forget(self, endpoint_id: str) -> None:
        self._store.delete(f"{_KEYS}{endpoint_id}")

    def keys(self, endpoint: Document) -> Document:
        """Return the keys of an endpoint. Raise UserError 400 if its authMode is not Key."""
        self._check_mode(endpoint, "Key")
        return self._store.get(f"{_KEYS}{endpoint['id']}") or {}

    def regenerate(self, endpoint: Document, key_type: str, value: str | None) -> None:
        """Replace a key by `value`.

        If `value` is the current key, as the SDK sends it, create a new key instead.
        """
        keys = self.keys(endpoint)
        name = {"primary": "primaryKey", "secondary": "secondaryKey"}.get(key_type.lower())
        if name is None:
            raise refused(f"keyType is '{key_type}': it must be Primary or Secondary.")
        new = value if value and value != keys[name] else _key()
        self._store.put(f"{_KEYS}{endpoint['id']}", {**keys, name: new})

    def token(self, endpoint: Document, principal: Principal) -> Document:
        """Return a token for this endpoint. Raise UserError 400 if its authMode is not AMLToken."""
        self._check_mode(endpoint, "AMLToken")
        now = int(datetime.now(UTC).timestamp())
        return {
            "accessToken": self._identity.issue(endpoint["properties"]["scoringUri"], principal),
            "tokenType": "Bearer",
            "expiryTimeUtc": now + LIFETIME_S,
            "refreshAfterTimeUtc": now + LIFETIME_S // 2,
        }

    def check(self, request: Request, endpoint: Document) -> None:
        """Raise AzureError 401 or 403 unless the caller may use the endpoint."""
        mode = endpoint["properties"]["authMode"]
        if mode == "Key":
            self._check_key(request, endpoint)
        elif mode == "AMLToken":
            self._identity.check(request, endpoint["properties"]["scoringUri"])
        else:
            principal = self._identity.check(request, AUDIENCE)
            self._identity.authorize(principal, _SCORE, endpoint["id"])

    def _check_key(self, request: Request, endpoint: Document) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise ScoringError(401, "Unauthorized", "key_auth_bad_header_malformed")
        valid_keys = self.keys(endpoint).values()
        if not any(hmac.compare_digest(key.encode(), valid.encode()) for valid in valid_keys):
            raise ScoringError(401, "Unauthorized", "key_auth_access_denied")

    def _check_mode(self, endpoint: Document, mode: str) -> None:
        actual = endpoint["properties"]["authMode"]
        if actual != mode:
            raise refused(f"The online endpoint '{endpoint['name']}' has authMode {actual}, not {mode}.")


def _key() -> str:
    return secrets.token_urlsafe(24)
