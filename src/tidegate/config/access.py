"""The section `access` of tidegate.yml: which app roles and groups of Entra ID may do what on the page."""

from enum import StrEnum

from pydantic import Field

from tidegate.config.types import Filled, Section


class Role(StrEnum):
    """What a signed-in person may do. Operators and approvers may read, too."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"


class Access(Section):
    """The app roles (by value) and groups (by object id) of Entra ID that have each role."""

    reader: list[Filled] = Field(default=["reader"])
    operator: list[Filled] = Field(default=["operator"])
    approver: list[Filled] = Field(default=["approver"])

    def roles_of(self, claims: frozenset[str]) -> frozenset[Role]:
        """Return the roles of a person with these app roles and groups."""
        granted = {role for role in Role if claims.intersection(getattr(self, role.value))}
        return frozenset(granted | {Role.READER}) if granted else frozenset()
