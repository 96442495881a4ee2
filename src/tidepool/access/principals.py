"""Who can hold roles: the people and the app of this Tidepool, and the managed identities of resources."""

import uuid
from dataclasses import dataclass

from tidepool.default_resources import SUBSCRIPTION
from tidepool.store import Document


@dataclass(frozen=True)
class Principal:
    """`id` is the object id, `client_id` the application id."""

    name: str
    id: str
    client_id: str


def _principal(name: str) -> Principal:
    return Principal(name, guid(f"{name}/object"), guid(f"{name}/client"))


def guid(text: str) -> str:
    """The same text has the same one, after a restart as well."""
    return str(uuid.uuid5(uuid.UUID(SUBSCRIPTION), text))


PRINCIPALS = {name: _principal(name) for name in ("developer", "tidegate")}


def identity_of(resource: Document) -> Principal | None:
    """The managed identity that a resource acts as: its own, or else the first that was given to it."""
    identity = resource.get("identity") or {}
    for one in (identity, *(identity.get("userAssignedIdentities") or {}).values()):
        if one and (object_id := one.get("principalId")):
            return Principal(resource["name"], object_id, one.get("clientId") or guid(f"{object_id}/client"))
    return None
