"""What routes of the API need: the service, the key that the host checks, who is signed in."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from tidegate.wiring import Service

FUNCTION_KEY = APIKeyHeader(name="x-functions-key", scheme_name="functionKey", auto_error=False)


def _service(request: Request) -> Service:
    found: Service = request.app.state.service()
    return found


Services = Annotated[Service, Depends(_service)]

# https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities (an app has only an id)
_SIGNED_IN = ("x-ms-client-principal-name", "x-ms-client-principal-id")


def _signed_in(request: Request, service: Services) -> str | None:
    """Whom App Service's authentication let in. Where it is off, callers can set these headers themselves."""
    if not service.settings.authenticated:
        return None
    names = (request.headers.get(name, "").strip() for name in _SIGNED_IN)
    return next(filter(None, names), None)


SignedIn = Annotated[str | None, Depends(_signed_in)]
