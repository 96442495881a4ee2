"""App Service's managed identity endpoint, which issues tokens to callers with a valid identity header."""

import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidepool.access.identity import LIFETIME_S, Identity
from tidepool.access.principals import PRINCIPALS, Principal


class ManagedIdentity:
    """The ASGI app `app` of `/token`. The identity header of a request names the principal.

    The header of a job's process also has the id of its run, after a point.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.app = Starlette(routes=[Route("/token", self._token)])
        self._principals: dict[str, Principal] = {}
        # Running programs may still use a header that they got before a restart.
        for principal in PRINCIPALS.values():
            self.header(principal)

    def header(self, principal: Principal) -> str:
        """Return the value of IDENTITY_HEADER for a principal."""
        header = self._identity.secret_for(f"identity-header/{principal.id}")
        self._principals[header] = principal
        return header

    async def _token(self, request: Request) -> JSONResponse:
        # Containers of online endpoints use the older name of the header.
        given = request.headers.get("x-identity-header") or request.headers.get("secret") or ""
        header, _, run = given.partition(".")
        principal = self._principals.get(header)
        audience = request.query_params.get("resource")
        if principal is None:
            return _refused(401, "X-IDENTITY-HEADER is missing or wrong")
        if not audience:
            return _refused(400, "resource is missing")
        query = request.query_params
        client_id = query.get("client_id") or query.get("clientid") or principal.client_id
        if client_id != principal.client_id:
            return _refused(400, f"No managed identity found for client id {client_id}")
        return JSONResponse(self._answer(audience, principal, run))

    def _answer(self, audience: str, principal: Principal, run: str) -> dict[str, Any]:
        return {
            "access_token": self._identity.issue(audience, principal, run=run),
            "client_id": principal.client_id,
            "expires_on": str(int(time.time()) + LIFETIME_S),
            "resource": audience,
            "token_type": "Bearer",
        }


def _refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"statusCode": status, "message": message}, status_code=status)
