"""Who the caller is, and what Azure allows the caller to do at a scope. Assigns nothing."""

import base64
import fnmatch
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.cloud.arm import SCOPE, ArmClient
from tidegate.errors import TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_API_VERSION = "2022-04-01"


@dataclass(frozen=True)
class Permissions:
    """What the caller's roles allow together. Each role's exceptions hold for that role only."""

    roles: Sequence[dict[str, Any]]

    def allow(self, action: str, *, data: bool = False) -> bool:
        """An action of the control plane, or of `data` (`.../blobs/read`), which an Owner lacks."""
        actions, exceptions = ("dataActions", "notDataActions") if data else ("actions", "notActions")
        return any(
            _any(role.get(actions) or (), action) and not _any(role.get(exceptions) or (), action)
            for role in self.roles
        )


def permissions(arm: ArmClient, scope: str) -> Permissions:
    """At a resource, what is assigned above it included."""
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    return Permissions(list(arm.list(path, _API_VERSION)))


def caller(credential: "TokenCredential") -> str:
    """The signed-in person's name, or an identity's client id. TransientError where there is no sign-in."""
    from azure.core.exceptions import ClientAuthenticationError

    try:
        token = credential.get_token(SCOPE).token
    except ClientAuthenticationError as error:
        raise TransientError(str(error).splitlines()[0]) from error
    claims = _claims(token)
    who = next(
        (claims[name] for name in ("upn", "unique_name", "appid", "oid") if claims.get(name)), "somebody"
    )
    return str(who)


def _claims(token: str) -> dict[str, Any]:
    """Of a token that Azure just gave us: to be shown, not to be trusted."""
    try:
        middle = token.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))
    except (IndexError, ValueError):
        return {}


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(fnmatch.translate(pattern), action, re.IGNORECASE) for pattern in patterns)
