"""Role assignments: which role a principal has at a scope and at all scopes inside that scope."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from tidepool.access.roles import Role, role_of
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError
from tidepool.store import Document, Store

_TYPE = "Microsoft.Authorization/roleAssignments"


class Assignments:
    """All role assignments.

    The store keeps them. Memory also holds them, grouped by principal, because the check of each request
    needs the assignments of the sender.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_principal: dict[str, list[Document]] = defaultdict(list)
        self._roles: dict[tuple[str, str], list[Role]] = {}
        for _, document in store.children("/roleAssignments"):
            self._by_principal[document["properties"]["principalId"]].append(document)

    def assign(  # noqa: PLR0913 - the properties of an assignment
        self,
        *,
        principal_id: str,
        role_definition_id: str,
        scope: str,
        name: str | None = None,
        principal_type: str | None = None,
        description: str | None = None,
    ) -> Document:
        """Create a role assignment. An existing one of this name, principal, role and scope stays as it is.

        Raise AzureError 409 if another assignment has this name, or gives the principal this role at this
        scope, as Azure does.
        """
        role = role_of(role_definition_id)
        existing = self.get(f"{scope.rstrip('/')}/providers/{_TYPE}/{name}") if name else None
        if existing:
            if existing["properties"]["principalId"] == principal_id and _is(existing, role, scope):
                return existing
            raise AzureError(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
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
                "principalType": principal_type or "ServicePrincipal",
                "roleDefinitionId": role.definition_id(SUBSCRIPTION),
                "scope": scope,
                **({"description": description} if description else {}),
            },
        }
        self._store.put(_key(path), document)
        self._by_principal[principal_id].append(document)
        self._roles.clear()
        return document

    def has(self, principal_id: str, role: Role, scope: str) -> bool:
        """Return whether the principal was assigned this role at exactly this scope."""
        return any(_is(document, role, scope) for document in self._by_principal[principal_id])

    def get(self, path: str) -> Document | None:
        return self._store.get(_key(path))

    def unassign(self, path: str) -> bool:
        """Remove a role assignment by its id. Return False if it does not exist."""
        assignment = self.get(path)
        if assignment is None:
            return False
        self._by_principal[assignment["properties"]["principalId"]].remove(assignment)
        self._roles.clear()
        return self._store.delete(_key(path))

    def forget(self, principal_id: str) -> None:
        """Remove all assignments of a principal that was deleted."""
        for document in list(self._by_principal[principal_id]):
            self.unassign(document["id"])

    def at(self, scope: str, principal_id: str | None = None) -> list[Document]:
        """Return the assignments that apply to a scope.

        They were made at this scope or at one that contains it.
        """
        return [
            assignment
            for assignment in self._of(principal_id)
            if covers(assignment["properties"]["scope"], scope)
        ]

    def at_or_below(self, scope: str, principal_id: str | None = None) -> list[Document]:
        """Return the assignments that apply to a scope, and the assignments at scopes inside this scope."""
        below = (
            assignment
            for assignment in self._of(principal_id)
            if covers(scope, assignment["properties"]["scope"])
        )
        by_id = {assignment["id"]: assignment for assignment in (*self.at(scope, principal_id), *below)}
        return list(by_id.values())

    def roles(self, principal_id: str, scope: str) -> list[Role]:
        """Return the roles that a principal has at a scope."""
        key = (principal_id, scope)
        if key not in self._roles:
            self._roles[key] = [
                role_of(assignment["properties"]["roleDefinitionId"])
                for assignment in self.at(scope, principal_id)
            ]
        return self._roles[key]

    def _of(self, principal_id: str | None) -> Iterable[Document]:
        if principal_id is not None:
            return tuple(self._by_principal.get(principal_id, ()))
        return tuple(chain.from_iterable(self._by_principal.values()))


def covers(assigned: str, scope: str) -> bool:
    """Return whether a role that is assigned at one scope also applies to another scope.

    A scope inherits the roles of the scopes that contain it.
    """
    above = assigned.rstrip("/").lower() + "/"
    return (scope.rstrip("/").lower() + "/").startswith(above)


def _is(document: Document, role: Role, scope: str) -> bool:
    properties = document["properties"]
    same = properties["scope"].rstrip("/").lower() == scope.rstrip("/").lower()
    return same and role_of(properties["roleDefinitionId"]) == role


def _key(path: str) -> str:
    return f"/roleAssignments/{path.strip('/').replace('/', '|')}"
