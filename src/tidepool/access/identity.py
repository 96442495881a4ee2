"""Tokens and roles: issues tokens, checks them as Azure does, and says who may do what where."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping

import jwt
from starlette.requests import Request

from tidepool.access.assignments import Assignments
from tidepool.access.principals import PRINCIPALS, Principal, identity_of
from tidepool.access.roles import DEFAULT_ROLES, roles_named
from tidepool.default_resources import SUBSCRIPTION, TENANT
from tidepool.errors import AzureError
from tidepool.store import Document, Store

ISSUER = f"https://sts.windows.net/{TENANT}/"
LIFETIME_S = 24 * 3600
# What each audience is also called; compared without the trailing slash.
_ALIASES = {"https://management.core.windows.net": "https://management.azure.com"}


class Identity:
    """The directory of this Tidepool.

    Tokens are signed with its own secret; role assignments live in the store.
    """

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret
        self.assignments = Assignments(store)
        self._assign_defaults()

    def secret_for(self, purpose: str) -> str:
        """A secret that only this Tidepool knows, the same after a restart."""
        return hmac.digest(self._secret.encode(), purpose.encode(), hashlib.sha256).hex()

    def principal(self, who: str) -> Principal:
        """By name, or the managed identity of the resource with that id. ValueError: there is none."""
        if who in PRINCIPALS:
            return PRINCIPALS[who]
        found = identity_of(self._store.get(who) or {}) if who.startswith("/") else None
        if found is None:
            there = ", ".join(PRINCIPALS)
            raise ValueError(f"there is no principal {who!r}: {there}, or a resource that has an identity")
        return found

    def issue(self, audience: str, principal: Principal, lifetime_s: int = LIFETIME_S) -> str:
        """A bearer token."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": ISSUER,
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + lifetime_s,
            "tid": TENANT,
            "oid": principal.id,
            "sub": principal.id,
            "appid": principal.client_id,
            "app_displayname": principal.name,
            "idtyp": "app",
        }
        return jwt.encode(claims, self._secret, "HS256")

    def check(self, request: Request, *audiences: str) -> Principal:
        """Who sent this; AzureError 401 unless its token is ours, current and for one of the audiences."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            claims = jwt.decode(token, self._secret, ["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError as error:
            raise _unauthorized(
                "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past."
            ) from error
        except jwt.InvalidTokenError as error:
            raise _unauthorized(
                "InvalidAuthenticationToken", f"The access token is invalid: {error}."
            ) from error
        if _normal(claims["aud"]) not in map(_normal, audiences):
            raise _unauthorized(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. "
                f"It should exactly match with one of the allowed audiences '{', '.join(audiences)}'.",
            )
        return Principal(claims["app_displayname"], claims["oid"], claims["appid"])

    def authorize(self, principal: Principal, action: str, scope: str) -> None:
        """Raise 403 AuthorizationFailed unless a role of the principal allows the action at this scope."""
        if not self.allows(principal, action, scope):
            raise AzureError(
                403,
                "AuthorizationFailed",
                f"The client '{principal.client_id}' with object id '{principal.id}' does not have "
                f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. "
                "If access was recently granted, please refresh your credentials.",
            )

    def allows(self, principal: Principal, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether a role of the principal allows an action, or a data action, at this scope."""
        roles = self.assignments.roles(principal.id, scope)
        return any(role.allows(action, data=data) for role in roles)

    def permissions(self, principal: Principal, scope: str) -> list[Document]:
        """The answer of GET {scope}/providers/Microsoft.Authorization/permissions."""
        return [role.permission() for role in self.assignments.roles(principal.id, scope)]

    def endow(self, principal: Principal, roles: Mapping[str, Iterable[str]]) -> None:
        """Give somebody who is new these roles, by scope; what is there already stays."""
        for scope, names in roles.items():
            for role in roles_named(names):
                if not self.assignments.has(principal.id, role, scope):
                    self.assignments.assign(
                        principal_id=principal.id, role_definition_id=role.id, scope=scope
                    )

    def _assign_defaults(self) -> None:
        if self._store.get("/identity/defaults"):
            return
        for name, roles in DEFAULT_ROLES.items():
            self.endow(PRINCIPALS[name], {f"/subscriptions/{SUBSCRIPTION}": roles})
        self._store.put("/identity/defaults", {"assigned": True})


def _unauthorized(code: str, message: str) -> AzureError:
    challenge = (
        f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return AzureError(401, code, message, {"WWW-Authenticate": challenge})


def _normal(audience: str) -> str:
    bare = audience.rstrip("/").lower()
    return _ALIASES.get(bare, bare)
