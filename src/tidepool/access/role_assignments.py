"""Microsoft.Authorization as resources: assignments, definitions, permissions. The roles are identity's."""

import re

from starlette.responses import JSONResponse, Response

from tidepool.access.identity import Identity
from tidepool.access.roles import role_of
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.errors import AzureError, not_found

PROVIDER = "Microsoft.Authorization"
_PRINCIPAL = re.compile(r"(?:principalId eq|assignedTo\()\s*'([^']+)'", re.IGNORECASE)
_AT_SCOPE = re.compile(r"atScope\(\)", re.IGNORECASE)


class RoleAssignments:
    """Routes of `{scope}/providers/Microsoft.Authorization/...`."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._held = identity.assignments

    def routes(self) -> Routes:
        assignments = kind("roleAssignments", provider=PROVIDER)
        return {
            (assignments, "LIST"): self._list,
            (assignments, "GET"): self._get,
            (assignments, "PUT"): self._put,
            (assignments, "DELETE"): self._delete,
            (kind("permissions", provider=PROVIDER), "LIST"): self._permissions,
            (kind("roleDefinitions", provider=PROVIDER), "GET"): self._definition,
        }

    async def _list(self, call: Call) -> Response:
        """With `atScope()` those that hold at the scope, otherwise those below it, too.

        https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest
        """
        condition = call.query.get("$filter", "")
        wanted = _PRINCIPAL.search(condition)
        held = self._held.at if _AT_SCOPE.search(condition) else self._held.around
        return listed(held(call.path.scope, wanted[1] if wanted else None), call.query, call.url)

    async def _get(self, call: Call) -> Response:
        found = self._held.get(call.path.text)
        if found is None:
            raise AzureError(
                404, "RoleAssignmentNotFound", f"The role assignment '{call.path.names[0]}' is not found."
            )
        return JSONResponse(found)

    async def _put(self, call: Call) -> Response:
        properties = call.properties
        for name in ("principalId", "roleDefinitionId"):
            if not properties.get(name):
                raise AzureError(
                    400, "InvalidRequestContent", f"A role assignment needs a value for '{name}'."
                )
        document = self._held.assign(
            principal_id=properties["principalId"],
            role_definition_id=properties["roleDefinitionId"],
            scope=call.path.scope,
            name=call.path.names[0],
        )
        return JSONResponse(document, status_code=201)

    async def _delete(self, call: Call) -> Response:
        if not self._held.unassign(call.path.text):
            raise not_found(call.path.text)
        return Response(status_code=200)

    async def _permissions(self, call: Call) -> Response:
        return JSONResponse({"value": self._identity.permissions(call.principal, call.path.scope)})

    async def _definition(self, call: Call) -> Response:
        role = role_of(call.path.names[0])
        properties = {
            "roleName": role.name,
            "type": "BuiltInRole",
            "permissions": [role.permission()],
            "assignableScopes": ["/"],
        }
        return JSONResponse(resource(call.path.text, properties))
