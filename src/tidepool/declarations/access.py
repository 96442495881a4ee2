"""Role assignments."""

from tidepool.declarations.metadata import RESOURCE
from tidepool.declarations.words import Table, read_only, refused, stored, used

_HOLDS = "integration/tidepool_roles::a_role_at_a_resource_group_holds_in_its_workspaces_until_it_is_removed"

ROLE_ASSIGNMENT: Table = {
    **RESOURCE,
    "properties": {
        "principalId": used(_HOLDS),
        "roleDefinitionId": used(_HOLDS),
        "principalType": stored("roles are the same for each type of principal"),
        "description": stored("it describes the assignment for people"),
        "condition": refused("roles hold without conditions", str),
        "conditionVersion": refused("roles hold without conditions", str),
        "delegatedManagedIdentityResourceId": refused("there is one tenant", str),
        "scope": read_only(str),
        "createdOn": read_only(str),
        "createdBy": read_only(str),
        "updatedOn": read_only(str),
        "updatedBy": read_only(str),
    },
}
