"""The identity of the caller, and the permissions that the caller has at a scope."""

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
    """The permissions of several roles together. The exceptions of a role hold for that role only."""

    roles: Sequence[dict[str, Any]]

    def allow(self, action: str, *, data: bool = False) -> bool:
        """Return whether the roles allow an action.

        `data` is for actions of the data plane, such as `.../blobs/read`, which an Owner does not have.
        """
        actions, exceptions = ("dataActions", "notDataActions") if data else ("actions", "notActions")
        return any(
            _matches_any(role.get(actions) or (), action)
            and not _matches_any(role.get(exceptions) or (), action)
            for role in self.roles
        )


def permissions(arm: ArmClient, scope: str) -> Permissions:
    """Return the caller's permissions at a resource, including those assigned above it."""
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    return Permissions(list(arm.list(path, _API_VERSION)))


def caller(credential: "TokenCredential") -> str:
    """Return the name of the signed-in person, or the client id of the identity.

    Raise TransientError if there is no token, for example because nobody is signed in.
    """
    from azure.core.exceptions import ClientAuthenticationError

    try:
        token = credential.get_token(SCOPE).token
    except ClientAuthenticationError as error:
        raise TransientError(str(error).splitlines()[0]) from error
    claims = _claims(token)
    names = (claims[name] for name in ("upn", "unique_name", "appid", "oid") if claims.get(name))
    return str(next(names, "an unnamed identity"))


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that Azure has just issued.

    The signature is not checked, so use the claims for display only.
    """
    try:
        payload = token.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    except (IndexError, ValueError):
        return {}


def _matches_any(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(fnmatch.translate(pattern), action, re.IGNORECASE) for pattern in patterns)
