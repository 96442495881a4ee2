"""App Service's managed identity endpoint: who asks with a right header gets a token for any audience."""

import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidepool.access.identity import LIFETIME_S, PRINCIPALS, Identity, Principal


class ManagedIdentity:
    """`app` answers `/token`; each principal has a header of its own, which says who is asking."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.app = Starlette(routes=[Route("/token", self._token)])
        self._askers = {self.header(name): principal for name, principal in PRINCIPALS.items()}

    def header(self, principal: str) -> str:
        """The value of IDENTITY_HEADER for a principal; ValueError names the ones there are."""
        if principal not in PRINCIPALS:
            raise ValueError(f"there is no principal {principal!r}; there are: {', '.join(PRINCIPALS)}")
        return self._identity.secret_for(f"identity-header/{principal}")

    async def _token(self, request: Request) -> JSONResponse:
        asker = self._askers.get(request.headers.get("x-identity-header", ""))
        audience = request.query_params.get("resource")
        if asker is None:
            return _refused(401, "X-IDENTITY-HEADER is missing or wrong")
        if not audience:
            return _refused(400, "resource is missing")
        client_id = request.query_params.get("client_id", asker.client_id)
        if client_id != asker.client_id:
            return _refused(400, f"No managed identity found for client id {client_id}")
        return JSONResponse(self._answer(audience, asker))

    def _answer(self, audience: str, asker: Principal) -> dict[str, Any]:
        return {
            "access_token": self._identity.issue(audience, asker.client_id),
            "client_id": asker.client_id,
            "expires_on": str(int(time.time()) + LIFETIME_S),
            "resource": audience,
            "token_type": "Bearer",
        }


def _refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"statusCode": status, "message": message}, status_code=status)
