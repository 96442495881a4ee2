"""Service principals with client secrets, and the tokens that they get at `login.microsoftonline.com`."""

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tidepool.access.principals import Principal, guid
from tidepool.default_resources import TENANT
from tidepool.errors import AzureError, not_emulated
from tidepool.store import Store

AUTHORITY = "https://login.microsoftonline.com"
_COLLECTION = "/identity/applications"
_DEFAULT_SCOPE = "/.default"

Issue = Callable[[str, Principal, int], str]


class Applications:
    """The applications that a test or a person registers. Each has a service principal and one secret."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str) -> tuple[Principal, str]:
        """Register an application, and return its service principal and its secret."""
        key, secret = str(uuid.uuid4()), f"{uuid.uuid4().hex}~{uuid.uuid4().hex}"
        principal = Principal(name, guid(f"{key}/object"), guid(f"{key}/client"))
        document = {
            "name": name,
            "id": principal.id,
            "clientId": principal.client_id,
            "secret": _hash(secret),
        }
        self._store.put(f"{_COLLECTION}/{principal.client_id}", document)
        return principal, secret

    def all(self) -> Iterator[Principal]:
        for _, document in self._store.children(_COLLECTION):
            yield Principal(document["name"], document["id"], document["clientId"])

    def sign_in(self, tenant: str, client_id: str, secret: str) -> Principal:
        """Return the service principal of an application. Raise AzureError 400 or 401, as Entra ID does."""
        if tenant.lower() != TENANT:
            raise AzureError(
                400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found. It is {TENANT}."
            )
        document = self._store.get(f"{_COLLECTION}/{client_id}") if client_id else None
        if document is None:
            raise AzureError(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application with identifier '{client_id}' was not found in the directory.",
            )
        if not hmac.compare_digest(document["secret"], _hash(secret)):
            raise AzureError(
                401,
                "invalid_client",
                f"AADSTS7000215: Invalid client secret provided for app '{document['clientId']}'.",
            )
        return Principal(document["name"], document["id"], document["clientId"])


class SignIn:
    """The ASGI app `app` of `login.microsoftonline.com`: tokens for service principals, by client secret."""

    def __init__(self, *, applications: Applications, issue: Issue) -> None:
        self._applications = applications
        self._issue = issue
        self.app = Starlette(
            routes=[
                Route("/common/discovery/instance", _instances),
                Route("/{tenant}/v2.0/.well-known/openid-configuration", _configuration),
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route("/{path:path}", _refuse, methods=["GET", "POST"]),
            ],
            exception_handlers={AzureError: _error},
        )

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if form.get("grant_type") != "client_credentials" or "client_secret" not in form:
            raise AzureError(
                501,
                "NotEmulated",
                "Tidepool issues tokens for the grant client_credentials with a client_secret only.",
            )
        tenant = request.path_params["tenant"]
        principal = self._applications.sign_in(tenant, form.get("client_id", ""), form["client_secret"])
        audience = form.get("scope", "")
        if not audience.endswith(_DEFAULT_SCOPE):
            raise AzureError(
                400,
                "invalid_scope",
                f"AADSTS1002012: The provided value for scope '{audience}' is not valid: it must be the id "
                f"of a resource with the suffix {_DEFAULT_SCOPE}.",
            )
        lifetime_s = 3600
        token = self._issue(audience.removesuffix(_DEFAULT_SCOPE), principal, lifetime_s)
        return JSONResponse(
            {
                "token_type": "Bearer",
                "expires_in": lifetime_s,
                "ext_expires_in": lifetime_s,
                "access_token": token,
            }
        )


async def _configuration(request: Request) -> Response:
    tenant = request.path_params["tenant"]
    root = f"{AUTHORITY}/{tenant}"
    return JSONResponse(
        {
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        }
    )


async def _instances(_: Request) -> Response:
    host = AUTHORITY.partition("://")[2]
    known = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
    return JSONResponse(
        {
            "tenant_discovery_endpoint": f"{AUTHORITY}/{TENANT}/v2.0/.well-known/openid-configuration",
            "metadata": [known],
        }
    )


async def _refuse(request: Request) -> Response:
    raise not_emulated(request.method, str(request.url))


async def _error(_: Request, error: Exception) -> Response:
    """Return an error in the form of Entra ID."""
    assert isinstance(error, AzureError)
    body: dict[str, Any] = {"error": error.code, "error_description": error.message, "timestamp": time.time()}
    return JSONResponse(body, status_code=error.status)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
