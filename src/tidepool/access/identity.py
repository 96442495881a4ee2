"""Tokens and roles: issues tokens, checks them as Azure does, and says who may do what where."""

import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass

import jwt
from starlette.requests import Request

from tidepool.access.roles import DEFAULT_ROLES, Role, role_of, roles_named
from tidepool.errors import AzureError
from tidepool.estate import SUBSCRIPTION, TENANT
from tidepool.store import Document, Store

ISSUER = f"https://sts.windows.net/{TENANT}/"
LIFETIME_S = 24 * 3600
# What each audience is also called; compared without the trailing slash.
_ALIASES = {"https://management.core.windows.net": "https://management.azure.com"}


@dataclass(frozen=True)
class Principal:
    """Somebody who can hold roles. `id` is the object id, `client_id` the application id."""

    name: str
    id: str
    client_id: str


def _principal(name: str) -> Principal:
    return Principal(
        name, *(str(uuid.uuid5(uuid.UUID(SUBSCRIPTION), f"{name}/{what}")) for what in ("object", "client"))
    )


PRINCIPALS = {name: _principal(name) for name in ("developer", "tidegate", "compute")}


class Identity:
    """The directory of this Tidepool.

    Tokens are signed with its own secret; role assignments live in the store.
    """

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret
        self._allowed: dict[tuple[str, str, str, bool], bool] = {}
        self._assign_defaults()

    def secret_for(self, purpose: str) -> str:
        """A secret that only this Tidepool knows, the same after a restart."""
        return hmac.digest(self._secret.encode(), purpose.encode(), hashlib.sha256).hex()

    def issue(self, audience: str, client_id: str, lifetime_s: int = LIFETIME_S) -> str:
        """A bearer token for the principal with that client id (or name)."""
        principal = _find(client_id)
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
        return _find(claims["appid"])

    # Roles

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
        asked = (principal.id, action, scope, data)
        if asked not in self._allowed:
            roles = self._roles(principal.id, scope)
            self._allowed[asked] = any(role.allows(action, data=data) for role in roles)
        return self._allowed[asked]

    def permissions(self, principal: Principal, scope: str) -> list[Document]:
        """The answer of GET {scope}/providers/Microsoft.Authorization/permissions."""
        return [role.permission() for role in self._roles(principal.id, scope)]

    def assign(
        self, *, principal_id: str, role_definition_id: str, scope: str, name: str | None = None
    ) -> Document:
        """Create a role assignment; the same principal, role and scope again is 409, as in Azure."""
        role = role_of(role_definition_id)
        for existing in self.assignments(scope):
            properties = existing["properties"]
            if (properties["principalId"], role_of(properties["roleDefinitionId"])) == (
                principal_id,
                role,
            ) and _same(properties["scope"], scope):
                raise AzureError(409, "RoleAssignmentExists", "The role assignment already exists.")
        name = name or str(uuid.uuid4())
        path = f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}"
        document: Document = {
            "id": path,
            "name": name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "principalId": principal_id,
                "principalType": "ServicePrincipal",
                "roleDefinitionId": role.definition_id(SUBSCRIPTION),
                "scope": scope,
            },
        }
        self._allowed.clear()
        self._store.put(f"/roleAssignments/{_flat(path)}", document)
        return document

    def assignment(self, path: str) -> Document | None:
        return self._store.get(f"/roleAssignments/{_flat(path)}")

    def unassign(self, path: str) -> bool:
        """Remove a role assignment by its ARM id; False where there is none."""
        self._allowed.clear()
        return self._store.delete(f"/roleAssignments/{_flat(path)}")

    def assignments(self, scope: str) -> list[Document]:
        """Role assignments that hold at this scope: made here or above."""
        found = (document for _, document in self._store.children("/roleAssignments"))
        return [document for document in found if _covers(document["properties"]["scope"], scope)]

    def _roles(self, principal_id: str, scope: str) -> list[Role]:
        held = (assignment["properties"] for assignment in self.assignments(scope))
        return [
            role_of(held_role["roleDefinitionId"])
            for held_role in held
            if held_role["principalId"] == principal_id
        ]

    def _assign_defaults(self) -> None:
        if self._store.get("/identity/defaults"):
            return
        for principal, roles in DEFAULT_ROLES.items():
            for role in roles_named(roles):
                self.assign(
                    principal_id=PRINCIPALS[principal].id,
                    role_definition_id=role.id,
                    scope=f"/subscriptions/{SUBSCRIPTION}",
                )
        self._store.put("/identity/defaults", {"assigned": True})


def _find(client_id: str) -> Principal:
    for principal in PRINCIPALS.values():
        if client_id in (principal.client_id, principal.name):
            return principal
    raise _unauthorized(
        "InvalidAuthenticationToken", f"The application '{client_id}' is not in this directory."
    )


def _unauthorized(code: str, message: str) -> AzureError:
    challenge = (
        f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return AzureError(401, code, message, {"WWW-Authenticate": challenge})


def _normal(audience: str) -> str:
    bare = audience.rstrip("/").lower()
    return _ALIASES.get(bare, bare)


def _flat(path: str) -> str:
    return path.strip("/").replace("/", "|")


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").lower() == other.rstrip("/").lower()


def _covers(assigned: str, scope: str) -> bool:
    above = assigned.rstrip("/").lower() + "/"
    return (scope.rstrip("/").lower() + "/").startswith(above)
