"""The control plane, `management.azure.com`: authenticates, authorizes and routes each request."""

import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tidepool.access.identity import Identity
from tidepool.access.principals import Principal
from tidepool.arm.cloud_endpoints import ENDPOINTS
from tidepool.arm.requests import MANAGEMENT, ArmPath, Call, Query, Routes, parse, read_json
from tidepool.arm.resource_groups import group_named
from tidepool.declarations.catalog import check_body
from tidepool.declarations.names import name_problem
from tidepool.default_resources import SUBSCRIPTION
from tidepool.errors import AzureError, not_emulated
from tidepool.store import Document, Store

# The registry clients of the SDK put this prefix before the id of the resource.
_FRONT_END = "/mferp/managementfrontend"
# Ids are returned in one spelling, however the client spells the resource group.
_GROUP = re.compile(r"/resourceGroups/([^/]+)", re.IGNORECASE)
# Each signed-in principal may ask for these. They list only what the principal has a role for.
_WITHOUT_ROLE = {("microsoft.resources/subscriptions", "LIST"), ("microsoft.resources/tenants", "LIST")}

CheckParent = Callable[[ArmPath], None]
ActionOf = Callable[[ArmPath, str], str | None]


class Router:
    """ASGI app of Azure Resource Manager. `routes` holds the handlers of all resource providers.

    `check_parent` raises AzureError if the resource that contains the requested one does not exist.
    `action_of` returns the action that a role must allow, or None if the action follows from the path.
    """

    def __init__(
        self,
        *,
        store: Store,
        identity: Identity,
        routes: Routes,
        check_parent: CheckParent,
        action_of: ActionOf,
    ) -> None:
        self._store = store
        self._identity = identity
        self.routes = routes
        self._check_parent = check_parent
        self._action_of = action_of

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def send(self, principal: Principal, method: str, path: str, body: Document) -> Response:
        """Answer a request of Tidepool itself in the name of a principal, as a request of this principal."""
        bare, _, query = path.partition("?")
        return await self._dispatch(principal, method, bare, dict(parse_qsl(query)), _given(body), MANAGEMENT)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/metadata/endpoints":
            return JSONResponse([ENDPOINTS])
        principal = self._identity.check(request, MANAGEMENT)
        path = request.url.path.removeprefix(_FRONT_END)
        host = f"https://{request.url.hostname}"

        async def body() -> Document:
            return await read_json(request)

        query = dict(request.query_params)
        return await self._dispatch(principal, request.method, path, query, body, host)

    async def _dispatch(  # noqa: PLR0913, PLR0917 - the parts of a request
        self,
        principal: Principal,
        method: str,
        text: str,
        query: Mapping[str, str],
        read: Callable[[], Awaitable[Document]],
        host: str,
    ) -> Response:
        path, verb = _path_and_verb(method, parse(self._spelled(text)))
        handler = self.routes.get((path.kind, verb))
        if handler is None:
            raise not_emulated(method, f"{host}{text}")
        _check_subscription(path)
        self._check_group(path)
        self._check_parent(path)
        if (path.kind, verb) not in _WITHOUT_ROLE:
            action = self._action_of(path, verb) or path.action(method, verb if verb.islower() else "")
            scope = path.scope if path.provider == "Microsoft.Authorization" else path.text
            self._identity.authorize(principal, action, scope)
        if method == "PUT" and (problem := name_problem(path.kind, path.names[-1])):
            raise problem
        body = check_body(path.kind, verb, await read()) if method not in ("GET", "HEAD") else {}
        self._check_identity(path, body.get("identity") or {})
        call = Call(path=path, principal=principal, query=Query(query), body=body, host=host)
        response = await handler(call)
        if method == "GET" and (unread := call.query.unread()):
            raise not_emulated(method, f"{host}{text} with the parameter '{unread[0]}'")
        return response

    def _spelled(self, text: str) -> str:
        """Return a path with the name of its resource group as the group was created."""
        match = _GROUP.search(text)
        name = group_named(self._store, match[1]) if match else None
        return _GROUP.sub(f"/resourceGroups/{name}", text, count=1) if name else text

    def _check_identity(self, path: ArmPath, identity: Document) -> None:
        """Raise AzureError 400 if a resource is to have a user-assigned identity that does not exist."""
        for assigned in identity.get("userAssignedIdentities") or {}:
            if self._store.get(assigned) is None:
                raise AzureError(
                    400,
                    "FailedIdentityOperation",
                    f"Identity operation for resource '{path.text}' failed: '{assigned}' was not found.",
                )

    def _check_group(self, path: ArmPath) -> None:
        """Raise AzureError 404 if a path leads into a resource group that does not exist."""
        match = _GROUP.search(path.text)
        is_group = path.kind == "microsoft.resources/subscriptions/resourcegroups"
        if match and not is_group and group_named(self._store, match[1]) is None:
            raise AzureError(404, "ResourceGroupNotFound", f"Resource group '{match[1]}' could not be found.")


def _given(body: Document) -> Callable[[], Awaitable[Document]]:
    async def read() -> Document:
        return body

    return read


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
    in_subscription = path.text.lower().startswith("/subscriptions/")
    if in_subscription and subscription and subscription[0].lower() != SUBSCRIPTION:
        raise AzureError(
            404, "SubscriptionNotFound", f"The subscription '{subscription[0]}' could not be found."
        )
