"""Microsoft.Authorization as resources: role assignments, role definitions and permissions."""

import re

from starlette.responses import JSONResponse, Response

from tidepool.access.identity import Identity
from tidepool.access.roles import ROLES, Role, role_of
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError, not_found
from tidepool.store import Document

PROVIDER = "Microsoft.Authorization"
_PRINCIPAL = re.compile(r"(?:principalId eq|assignedTo\()\s*'([^']+)'", re.IGNORECASE)
_ROLE_NAME = re.compile(r"roleName eq '([^']+)'", re.IGNORECASE)
_AT_SCOPE = re.compile(r"atScope\(\)", re.IGNORECASE)


class RoleAssignmentRoutes:
    """The routes of `{scope}/providers/Microsoft.Authorization/...`."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._assignments = identity.assignments

    def routes(self) -> Routes:
        assignments = kind("roleAssignments", provider=PROVIDER)
        return {
            (assignments, "LIST"): self._list,
            (assignments, "GET"): self._get,
            (assignments, "PUT"): self._put,
            (assignments, "DELETE"): self._delete,
            (kind("permissions", provider=PROVIDER), "LIST"): self._permissions,
            (kind("roleDefinitions", provider=PROVIDER), "GET"): self._definition,
            (kind("roleDefinitions", provider=PROVIDER), "LIST"): self._definitions,
        }

    async def _list(self, call: Call) -> Response:
        """List the assignments that apply to the scope.

        Without the filter `atScope()`, also list the assignments at scopes inside it.

        https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest
        """
        condition = call.query.get("$filter", "")
        match = _PRINCIPAL.search(condition)
        select = self._assignments.at if _AT_SCOPE.search(condition) else self._assignments.at_or_below
        assignments = select(call.path.scope, match[1] if match else None)
        return listed(assignments, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        assignment = self._assignments.get(call.path.text)
        if assignment is None:
            raise AzureError(
                404, "RoleAssignmentNotFound", f"The role assignment '{call.path.names[0]}' is not found."
            )
        return JSONResponse(assignment)

    async def _put(self, call: Call) -> Response:
        properties = call.properties
        for name in ("principalId", "roleDefinitionId"):
            if not properties.get(name):
                raise AzureError(
                    400, "InvalidRequestContent", f"A role assignment needs a value for '{name}'."
                )
        document = self._assignments.assign(
            principal_id=properties["principalId"],
            role_definition_id=properties["roleDefinitionId"],
            scope=call.path.scope,
            name=call.path.names[0],
            principal_type=properties.get("principalType"),
            description=properties.get("description"),
        )
        return JSONResponse(document, status_code=201)

    async def _delete(self, call: Call) -> Response:
        if not self._assignments.unassign(call.path.text):
            raise not_found(call.path.text)
        return Response(status_code=200)

    async def _permissions(self, call: Call) -> Response:
        return JSONResponse({"value": self._identity.permissions(call.principal, call.path.scope)})

    async def _definition(self, call: Call) -> Response:
        return JSONResponse(_definition(role_of(call.path.names[0])))

    async def _definitions(self, call: Call) -> Response:
        condition = call.query.get("$filter", "")
        match = _ROLE_NAME.search(condition)
        roles = [role for role in ROLES if match is None or role.name.lower() == match[1].lower()]
        if "type eq 'CustomRole'" in condition:
            roles = []
        return listed([_definition(role) for role in roles], call.query, call.url)


def _definition(role: Role) -> Document:
    properties = {
        "roleName": role.name,
        "type": "BuiltInRole",
        "permissions": [role.permission()],
        "assignableScopes": ["/"],
    }
    return resource(role.definition_id(SUBSCRIPTION), properties)
