"""The dependencies of the API's routes: the service, the function key, and the signed-in user."""

from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.security import APIKeyHeader

from tidegate.api.principal import missing_role, read_principal
from tidegate.api_client import TIME_ZONE_HEADER
from tidegate.bootstrap import Service
from tidegate.config.access import Role
from tidegate.errors import ConfigError, RefusedError

FUNCTION_KEY = APIKeyHeader(name="x-functions-key", scheme_name="functionKey", auto_error=False)


def _service(request: Request, response: Response) -> Service:
    """Return the service. The answer has the time zone in which people read its times, in a header."""
    service: Service = request.app.state.service()
    with suppress(ConfigError):  # what needs a valid configuration reports it
        response.headers[TIME_ZONE_HEADER] = str(service.config().timezone)
    return service


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="A key of your choice for this request. If you send the request again with the same key, "
        "the request has no further effect and gets the same response.",
    ),
]
Services = Annotated[Service, Depends(_service)]


def _signed_in(request: Request, service: Services) -> str | None:
    principal = read_principal(request.headers, service.settings)
    return principal.name if principal else None


def _approver(request: Request, service: Services) -> None:
    """Refuse a caller without the role approver. A function key is not a person: all callers may have it.

    While the authentication is off nobody can be known, so that nobody can approve.
    """
    if not service.settings.authenticated:
        detail = (
            "A person with the role approver is needed, and nobody can sign in, because App Service "
            "authentication is off. docs/azure.md says how to turn it on (TIDEGATE_AUTH_CLIENT_ID)"
        )
        raise RefusedError(403, "Not authorized", detail)
    principal, access = read_principal(request.headers, service.settings), service.config().access
    if principal is None:
        raise missing_role(Role.APPROVER, access)
    principal.require(Role.APPROVER, access)


SignedIn = Annotated[str | None, Depends(_signed_in)]
BY_APPROVER = Depends(_approver)
