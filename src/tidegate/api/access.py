"""What routes of the API need: the service, the key that the host checks, who is signed in."""

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import APIKeyHeader

from tidegate.bootstrap import Service

FUNCTION_KEY = APIKeyHeader(name="x-functions-key", scheme_name="functionKey", auto_error=False)


def _service(request: Request) -> Service:
    found: Service = request.app.state.service()
    return found


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same key brings the same, however often it is sent.",
    ),
]
Services = Annotated[Service, Depends(_service)]

# https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
_SIGNED_IN = ("x-ms-client-principal-name", "x-ms-client-principal-id")


def _signed_in(request: Request, service: Services) -> str | None:
    """Whom App Service's authentication let in; an app has an id only.

    Where it is off, callers can set these headers themselves: then they say nothing.
    """
    if not service.settings.authenticated:
        return None
    names = (request.headers.get(name, "").strip() for name in _SIGNED_IN)
    return next(filter(None, names), None)


SignedIn = Annotated[str | None, Depends(_signed_in)]
