"""Principals, which can have roles: the developer, the service, and managed identities of resources."""

import uuid
from dataclasses import dataclass

from tidepool.default_resources import SUBSCRIPTION, TENANT
from tidepool.store import Document


@dataclass(frozen=True)
class Principal:
    """A security principal. `id` is its object id, `client_id` its application id."""

    name: str
    id: str
    client_id: str


def _principal(name: str) -> Principal:
    return Principal(name, guid(f"{name}/object"), guid(f"{name}/client"))


def guid(text: str) -> str:
    """Return a GUID that is derived from a text. The same text always gives the same GUID."""
    return str(uuid.uuid5(uuid.UUID(SUBSCRIPTION), text))


PRINCIPALS = {name: _principal(name) for name in ("developer", "tidegate")}


def identity_of(resource: Document) -> Principal | None:
    """Return the managed identity that a resource acts as.

    It is the system-assigned identity, or else the first user-assigned one, or None.
    """
    identity = resource.get("identity") or {}
    for candidate in (identity, *(identity.get("userAssignedIdentities") or {}).values()):
        if candidate and (object_id := candidate.get("principalId")):
            return Principal(
                resource["name"], object_id, candidate.get("clientId") or guid(f"{object_id}/client")
            )
    return None


def user_assigned(resource_id: str) -> Document:
    """Return the ids of a user-assigned identity, which follow from the id of its resource."""
    key = resource_id.lower()
    return {"principalId": guid(key), "clientId": guid(f"{key}/client")}


def with_object_ids(resource_id: str, identity: object) -> Document | None:
    """Return the requested `identity` of a resource with the object ids that Azure assigns.

    Return None if no identity is requested.
    """
    if not isinstance(identity, dict):
        return None
    assigned = identity.get("userAssignedIdentities") or {}
    ids = {name: user_assigned(name) for name in assigned}
    has_own = "systemassigned" in str(identity.get("type")).lower()
    own = {"principalId": guid(resource_id.lower()), "tenantId": TENANT} if has_own else {}
    return {**identity, **own, **({"userAssignedIdentities": ids} if ids else {})}
