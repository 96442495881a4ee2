"""The part of Microsoft Graph that names principals by their ids, which azure-cli asks for."""

from collections.abc import Callable, Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tidepool.access.identity import Identity
from tidepool.access.principals import PRINCIPALS, Principal, identity_of
from tidepool.errors import AzureError, not_emulated
from tidepool.store import Document

AUDIENCE = "https://graph.microsoft.com"


class Graph:
    """The ASGI app `app` of `graph.microsoft.com`. `resources` yields resources that may have an identity."""

    def __init__(self, *, identity: Identity, resources: Callable[[], Iterator[Document]]) -> None:
        self._identity = identity
        self._resources = resources
        self.app = Starlette(
            routes=[
                Route("/v1.0/directoryObjects/getByIds", self._by_ids, methods=["POST"]),
                Route("/{path:path}", self._refuse, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ],
            exception_handlers={AzureError: _error},
        )

    async def _by_ids(self, request: Request) -> Response:
        self._identity.check(request, AUDIENCE)
        wanted = {str(identifier).lower() for identifier in (await request.json()).get("ids") or []}
        found = {principal.id: principal for principal in self._principals() if principal.id in wanted}
        return JSONResponse({"value": [_service_principal(principal) for principal in found.values()]})

    def _principals(self) -> Iterator[Principal]:
        yield from PRINCIPALS.values()
        yield from self._identity.applications.all()
        for document in self._resources():
            if principal := identity_of(document):
                yield principal

    async def _refuse(self, request: Request) -> Response:
        raise not_emulated(request.method, str(request.url))


def _service_principal(principal: Principal) -> Document:
    return {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": principal.id,
        "appId": principal.client_id,
        "displayName": principal.name,
        "servicePrincipalNames": [principal.client_id],
        "servicePrincipalType": "ManagedIdentity",
    }


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AzureError)
    return error.response()
