"""The visitor of a page: signed in with App Service's authentication, with a role of this installation."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from tidegate.api.access import Services
from tidegate.api.principal import Principal, missing_role, read_principal
from tidegate.config.access import Access, Role
from tidegate.errors import ConfigError, RefusedError


class SignInRequiredError(Exception):
    """Nobody is signed in, or the session is over."""


@dataclass(frozen=True)
class Visitor:
    """A signed-in person who may read the pages."""

    name: str
    roles: frozenset[Role]
    access: Access

    def may(self, role: str) -> bool:
        return Role(role) in self.roles

    def require(self, role: Role) -> None:
        """Raise RefusedError if the visitor lacks a role."""
        if role not in self.roles:
            raise missing_role(role, self.access, self.name)


def _principal(request: Request, service: Services) -> Principal:
    if not service.settings.authenticated:
        detail = (
            "App Service authentication is off, so nobody can sign in. docs/azure.md says how to turn it on. "
            "The API and the command line work with a function key"
        )
        raise RefusedError(403, "Not authorized", detail)
    principal = read_principal(request.headers, service.settings)
    if principal is None:
        raise SignInRequiredError
    return principal


def visitor(request: Request, service: Services) -> Visitor:
    """Return the visitor. Raise RefusedError if the person has no role of this installation."""
    principal = _principal(request, service)
    try:
        access = service.config().access
    except ConfigError as error:  # people with a session may know what is wrong, others may not
        raise RefusedError(503, "Invalid configuration", str(error)) from error
    principal.require(Role.READER, access)
    request.state.visitor = Visitor(principal.name, access.roles_of(principal.claims), access)
    return request.state.visitor  # type: ignore[no-any-return]


Reader = Annotated[Visitor, Depends(visitor)]
