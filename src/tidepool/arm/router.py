"""The control plane, `management.azure.com`: authenticates, authorizes and routes each request."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.arm.requests import MANAGEMENT, ArmPath, Call, Routes, parse, read_json
from tidepool.arm.subscriptions import ENDPOINTS
from tidepool.declarations.catalog import check_body
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError, not_emulated

# The registry clients of the SDK put this prefix before the id of the resource.
_FRONT_END = "/mferp/managementfrontend"

CheckParent = Callable[[ArmPath], None]
ActionOf = Callable[[ArmPath, str], str | None]


class Router:
    """ASGI app of Azure Resource Manager. `routes` holds the handlers of all resource providers.

    `check_parent` raises AzureError if the resource that contains the requested one does not exist.
    `action_of` returns the action that a role must allow, or None if the action follows from the path.
    """

    def __init__(
        self, *, identity: Identity, routes: Routes, check_parent: CheckParent, action_of: ActionOf
    ) -> None:
        self._identity = identity
        self.routes = routes
        self._check_parent = check_parent
        self._action_of = action_of

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/metadata/endpoints":
            return JSONResponse([ENDPOINTS])
        principal = self._identity.check(request, MANAGEMENT)
        path = parse(request.url.path.removeprefix(_FRONT_END))
        path, verb = _path_and_verb(request.method, path)
        handler = self.routes.get((path.kind, verb))
        if handler is None:
            raise not_emulated(request.method, str(request.url))
        _check_subscription(path)
        self._check_parent(path)
        action = self._action_of(path, verb) or path.action(request.method, verb if verb.islower() else "")
        self._identity.authorize(
            principal, action, path.scope if path.provider == "Microsoft.Authorization" else path.text
        )
        body = check_body(path.kind, verb, await read_json(request)) if request.method != "GET" else {}
        host = f"https://{request.url.hostname}"
        return await handler(
            Call(path=path, principal=principal, query=dict(request.query_params), body=body, host=host)
        )


def _path_and_verb(method: str, path: ArmPath) -> tuple[ArmPath, str]:
    """Return the path of the resource and the verb.

    The verb of a GET request for a collection is LIST. The verb of `POST {resource}/{action}` is the name of
    the action.
    """
    if not path.is_collection:
        return path, method
    if method == "POST":
        head, _, action = path.text.rpartition("/")
        return parse(head), action.lower()
    return path, "LIST" if method == "GET" else f"{method} collection"


def _check_subscription(path: ArmPath) -> None:
    subscription = path.text.split("/")[2:3]
    if subscription and subscription[0].lower() != SUBSCRIPTION:
        raise AzureError(
            404, "SubscriptionNotFound", f"The subscription '{subscription[0]}' could not be found."
        )
