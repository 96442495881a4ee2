"""Tokens and authorization: issues and checks tokens, and decides which actions a principal may take."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jwt
from starlette.requests import Request

from tidepool.access.applications import Applications
from tidepool.access.assignments import Assignments
from tidepool.access.principals import PRINCIPALS, Principal, identity_of
from tidepool.access.roles import DEFAULT_ROLES, roles_named
from tidepool.default_resources import RESOURCE_GROUP, SUBSCRIPTION, TENANT
from tidepool.errors import AzureError
from tidepool.store import Document, Store

ISSUER = f"https://sts.windows.net/{TENANT}/"
LIFETIME_S = 24 * 3600
# The group of what Tidepool itself makes. A template's resources are in other groups, with its own roles.
_OWN_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
_RUN = "tidepool_run"  # the claim with the id of the run whose process uses the token
_TOKENS_KEPT = 1000
# Other names of audiences, without the slash at the end, and the names that Tidepool uses for them.
_ALIASES = {"https://management.core.windows.net": "https://management.azure.com"}


class Identity:
    """The directory of a Tidepool. It signs tokens with a secret of this Tidepool."""

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret
        self._verified: dict[str, dict[str, Any]] = {}
        self.assignments = Assignments(store)
        self.applications = Applications(store)
        self._assign_defaults()

    def secret_for(self, purpose: str) -> str:
        """Return a secret of this Tidepool for one purpose. The secret is the same after a restart."""
        return hmac.digest(self._secret.encode(), purpose.encode(), hashlib.sha256).hex()

    def principal(self, name: str) -> Principal:
        """Return the principal with this name, or the managed identity of the resource with this id.

        Raise ValueError if there is no such principal.
        """
        if name in PRINCIPALS:
            return PRINCIPALS[name]
        principal = identity_of(self._store.get(name) or {}) if name.startswith("/") else None
        if principal is None:
            names = ", ".join(PRINCIPALS)
            raise ValueError(
                f"there is no principal {name!r}; use {names}, or the id of a resource with an identity"
            )
        return principal

    def issue(
        self, audience: str, principal: Principal, lifetime_s: int = LIFETIME_S, *, run: str = ""
    ) -> str:
        """Return a bearer token for an audience. `run` is the id of the run whose process uses the token."""
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
            **({_RUN: run} if run else {}),
        }
        return jwt.encode(claims, self._secret, "HS256")

    def check(self, request: Request, *audiences: str) -> Principal:
        """Return the principal that sent a request.

        Raise AzureError 401 if its token is missing, invalid, expired or for another audience.
        """
        claims = self._claims(request)
        if _normal(claims["aud"]) not in map(_normal, audiences):
            raise _unauthorized(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. "
                f"It should exactly match with one of the allowed audiences '{', '.join(audiences)}'.",
            )
        return Principal(claims["app_displayname"], claims["oid"], claims["appid"])

    def run_of(self, request: Request) -> str | None:
        """Return the id of the run whose process sent a request, or None if no job sent it."""
        return self._claims(request).get(_RUN)

    def _claims(self, request: Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            return self._decoded(token)
        except jwt.ExpiredSignatureError as error:
            raise _unauthorized(
                "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past."
            ) from error
        except jwt.InvalidTokenError as error:
            raise _unauthorized(
                "InvalidAuthenticationToken", f"The access token is invalid: {error}."
            ) from error

    def _decoded(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid token. The signature of a token is checked once."""
        claims = self._verified.get(token)
        if claims is None:
            claims = jwt.decode(token, self._secret, ["HS256"], options={"verify_aud": False})
            if len(self._verified) >= _TOKENS_KEPT:
                self._verified.clear()
            self._verified[token] = claims
        elif claims["exp"] <= time.time():
            raise jwt.ExpiredSignatureError
        return claims

    def authorize(self, principal: Principal, action: str, scope: str) -> None:
        """Raise AzureError 403 unless a role of the principal allows the action at this scope."""
        if not self.allows(principal, action, scope):
            raise AzureError(
                403,
                "AuthorizationFailed",
                f"The client '{principal.client_id}' with object id '{principal.id}' does not have "
                f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. "
                "If access was recently granted, please refresh your credentials.",
            )

    def allows(self, principal: Principal, action: str, scope: str, *, data: bool = False) -> bool:
        """Return whether a role of the principal allows an action (or a data action) at this scope."""
        roles = self.assignments.roles(principal.id, scope)
        return any(role.allows(action, data=data) for role in roles)

    def permissions(self, principal: Principal, scope: str) -> list[Document]:
        """Return the permissions that the principal's roles give at a scope."""
        return [role.permission() for role in self.assignments.roles(principal.id, scope)]

    def grant(self, principal: Principal, roles: Mapping[str, Iterable[str]]) -> None:
        """Assign roles to a principal.

        `roles` maps each scope to the names of roles. Existing assignments are kept.
        """
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
            self.grant(PRINCIPALS[name], {_OWN_GROUP: roles})
        self.grant(PRINCIPALS["developer"], {f"/subscriptions/{SUBSCRIPTION}": ["Owner"]})
        self._store.put("/identity/defaults", {"assigned": True})


def read_or_create_secret(file: Path) -> str:
    """Return the secret in a file, and create it if the file does not exist."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()


def _unauthorized(code: str, message: str) -> AzureError:
    challenge = (
        f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return AzureError(401, code, message, {"WWW-Authenticate": challenge})


def _normal(audience: str) -> str:
    bare = audience.rstrip("/").lower()
    return _ALIASES.get(bare, bare)
