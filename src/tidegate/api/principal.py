"""The person or app that App Service's authentication has accepted, from the headers that it adds."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.config.access import Access, Role
from tidegate.errors import RefusedError
from tidegate.settings import Settings

# https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
_CLAIMS = "x-ms-client-principal"
_NAMES = ("x-ms-client-principal-name", "x-ms-client-principal-id")
# The types of the claims with app roles and groups, as Entra ID names them in tokens and as .NET names them.
_ROLE_TYPES = ("roles", "groups", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
_MAY = {
    Role.READER: "see this installation",
    Role.OPERATOR: "change the work of this installation",
    Role.APPROVER: "approve or refuse a model version, or roll a model back",
}


@dataclass(frozen=True)
class Principal:
    """A signed-in person or app. `claims` are its app roles and groups in Entra ID."""

    name: str
    claims: frozenset[str]

    def require(self, role: Role, access: Access) -> None:
        """Raise RefusedError, which names the role and where it is given, if the principal lacks a role."""
        if role not in access.roles_of(self.claims):
            raise missing_role(role, access, self.name)


def missing_role(role: Role, access: Access, name: str | None = None) -> RefusedError:
    """Return the refusal of a request whose caller, signed in as `name`, lacks a role."""
    who = f"{name} is signed in" if name else "The caller is not signed in"
    allowed = " or ".join(getattr(access, role.value))
    detail = (
        f"{who} without the role {role.value}, which is needed to {_MAY[role]}. An administrator of Entra ID "
        f"gives it: the app role or group {allowed} (access.{role.value} in tidegate.yml), assigned in the "
        "enterprise application of this function app"
    )
    return RefusedError(403, "Not authorized", detail)


def read_principal(headers: Mapping[str, str], settings: Settings) -> Principal | None:
    """Return who is signed in, or None. An app has only an id.

    If the authentication is off, callers can set these headers themselves, so the headers are ignored.
    """
    if not settings.authenticated:
        return None
    names = (headers.get(header, "").strip() for header in _NAMES)
    name = next(filter(None, names), None)
    return Principal(name, _claims(headers.get(_CLAIMS, ""))) if name else None


def _claims(encoded: str) -> frozenset[str]:
    """Return the app roles and groups of a principal. A header that cannot be read has none."""
    try:
        content = json.loads(base64.b64decode(encoded, validate=False))
        claims: list[dict[str, Any]] = content.get("claims") or []
        types = {*_ROLE_TYPES, content.get("role_typ")}
        return frozenset(str(claim["val"]) for claim in claims if claim["typ"] in types)
    except (ValueError, TypeError, KeyError, AttributeError):
        return frozenset()
