"""Role assignments: who has which role at which scope, and below it. Decides about no request."""

import uuid
from collections import defaultdict
from collections.abc import Iterable

from tidepool.access.roles import Role, role_of
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError
from tidepool.store import Document, Store

_TYPE = "Microsoft.Authorization/roleAssignments"


class Assignments:
    """Kept in the store, and by principal in memory: every request asks for those of its sender."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, list[Document]] = defaultdict(list)
        self._known: dict[tuple[str, str], list[Role]] = {}
        for _, document in store.children("/roleAssignments"):
            self._held[document["properties"]["principalId"]].append(document)

    def assign(
        self, *, principal_id: str, role_definition_id: str, scope: str, name: str | None = None
    ) -> Document:
        """Create a role assignment; the same principal, role and scope again is 409, as in Azure."""
        role = role_of(role_definition_id)
        if self.has(principal_id, role, scope):
            raise AzureError(409, "RoleAssignmentExists", "The role assignment already exists.")
        name = name or str(uuid.uuid4())
        path = f"{scope.rstrip('/')}/providers/{_TYPE}/{name}"
        document: Document = {
            "id": path,
            "name": name,
            "type": _TYPE,
            "properties": {
                "principalId": principal_id,
                "principalType": "ServicePrincipal",
                "roleDefinitionId": role.definition_id(SUBSCRIPTION),
                "scope": scope,
            },
        }
        self._store.put(_key(path), document)
        self._held[principal_id].append(document)
        self._known.clear()
        return document

    def has(self, principal_id: str, role: Role, scope: str) -> bool:
        """Whether it was made for just this scope."""
        return any(_is(document, role, scope) for document in self._held[principal_id])

    def get(self, path: str) -> Document | None:
        return self._store.get(_key(path))

    def unassign(self, path: str) -> bool:
        """Remove a role assignment by its ARM id; False where there is none."""
        found = self.get(path)
        if found is None:
            return False
        self._held[found["properties"]["principalId"]].remove(found)
        self._known.clear()
        return self._store.delete(_key(path))

    def forget(self, principal_id: str) -> None:
        """Remove all roles of somebody who is gone."""
        for document in list(self._held[principal_id]):
            self.unassign(document["id"])

    def at(self, scope: str, principal_id: str | None = None) -> list[Document]:
        """Those that hold at this scope: made here or above."""
        return [one for one in self._of(principal_id) if covers(one["properties"]["scope"], scope)]

    def around(self, scope: str, principal_id: str | None = None) -> list[Document]:
        """Those that hold at this scope, and those that were made below it."""
        below = (one for one in self._of(principal_id) if covers(scope, one["properties"]["scope"]))
        found = {one["id"]: one for one in (*self.at(scope, principal_id), *below)}
        return list(found.values())

    def roles(self, principal_id: str, scope: str) -> list[Role]:
        """What somebody is at a scope."""
        asked = (principal_id, scope)
        if asked not in self._known:
            held = self.at(scope, principal_id)
            self._known[asked] = [role_of(one["properties"]["roleDefinitionId"]) for one in held]
        return self._known[asked]

    def _of(self, principal_id: str | None) -> Iterable[Document]:
        if principal_id is not None:
            return tuple(self._held.get(principal_id, ()))
        return tuple(one for held in self._held.values() for one in held)


def covers(assigned: str, scope: str) -> bool:
    """Whether what is assigned at one scope holds at another: roles are inherited downwards."""
    above = assigned.rstrip("/").lower() + "/"
    return (scope.rstrip("/").lower() + "/").startswith(above)


def _is(document: Document, role: Role, scope: str) -> bool:
    properties = document["properties"]
    same = properties["scope"].rstrip("/").lower() == scope.rstrip("/").lower()
    return same and role_of(properties["roleDefinitionId"]) == role


def _key(path: str) -> str:
    return f"/roleAssignments/{path.strip('/').replace('/', '|')}"
