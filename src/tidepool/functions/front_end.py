"""App Service's authentication in front of a functions app: sign-in, session, and the headers that it adds.

A page lets people choose a name and app roles in place of Entra ID. The rest is as Azure documents it:
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "AppServiceAuthSession"
PREFIX = "/.auth/"
LOGIN = "/.auth/login/aad"
CALLBACK = f"{LOGIN}/callback"
ROLES = ("reader", "operator", "approver")
_SESSION_S = 8 * 3600  # Azure's default
_ROLE_CLAIM = "roles"
_NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
_DEFAULT_NAME = "you@tidepool.example"


@dataclass(frozen=True)
class Person:
    """A person with app roles (or ids of groups)."""

    name: str
    roles: Sequence[str]

    @property
    def id(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    @property
    def claims(self) -> list[dict[str, str]]:
        roles = [{"typ": _ROLE_CLAIM, "val": role} for role in self.roles]
        return [{"typ": _NAME_CLAIM, "val": self.name}, {"typ": "name", "val": self.name}, *roles]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that App Service adds to each request of the session."""
        principal = {
            "auth_typ": "aad",
            "claims": self.claims,
            "name_typ": _NAME_CLAIM,
            "role_typ": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        }
        values = {
            "x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode(),
            "x-ms-client-principal-id": self.id,
            "x-ms-client-principal-idp": "aad",
            "x-ms-client-principal-name": self.name,
        }
        return [(name.encode(), value.encode()) for name, value in values.items()]


DEVELOPER = Person("developer@tidepool.example", ROLES)


def session_token(person: Person, secret: str) -> str:
    """Return the content of a session's cookie, which an app also accepts as bearer token."""
    content: dict[str, Any] = {"name": person.name, "roles": list(person.roles)}
    content["until"] = time.time() + _SESSION_S
    text = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")  # cookies quote it
    return f"{text}.{_signature(text, secret)}"


def _signature(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign_in_url(url: str, person: Person, back: str = "/") -> str:
    """Return an address of an app that signs a person in without the choice, and leads to `back`."""
    query = [("name", person.name), *(("role", role) for role in person.roles)]
    return f"{url}{CALLBACK}?{urlencode([*query, ('post_login_redirect_uri', back)])}"


class FrontEnd:
    """The ASGI app in front of `app`. While it is off, requests pass unchanged, as in Azure.

    `secret` signs the sessions. They last over restarts of the app.
    """

    def __init__(self, app: ASGIApp, *, is_on: Callable[[], bool], secret: str) -> None:
        self._app = app
        self._is_on = is_on
        self._secret = secret
        self._pages = Starlette(
            routes=[
                Route(LOGIN, self._login, methods=["GET"]),
                Route(CALLBACK, self._sign_in, methods=["GET"]),
                Route("/.auth/me", self._me, methods=["GET"]),
                Route("/.auth/logout", self._logout, methods=["GET", "POST"]),
                Route("/.auth/logout/complete", _signed_out, methods=["GET"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_on():
            await self._app(scope, receive, send)
        elif scope["path"].lower().startswith(PREFIX):
            await self._pages(scope, receive, send)
        else:
            request = Request(scope)
            person = self._person(request)
            if person is None and _bearer(request):
                await Response(status_code=401)(scope, receive, send)
                return
            kept = [pair for pair in scope["headers"] if not pair[0].lower().startswith(b"x-ms-")]
            headers = kept + (person.headers if person else [])
            await self._app({**scope, "headers": headers}, receive, send)

    async def _login(self, request: Request) -> Response:
        back = own_address(request, request.query_params.get("post_login_redirect_uri"))
        return HTMLResponse(
            _CHOICE.format(callback=CALLBACK, name=_DEFAULT_NAME, back=escape(back, quote=True))
        )

    async def _sign_in(self, request: Request) -> Response:
        query = request.query_params
        person = Person(query.get("name", "").strip() or _DEFAULT_NAME, query.getlist("role"))
        response = RedirectResponse(own_address(request, query.get("post_login_redirect_uri")), 302)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE,
            session_token(person, self._secret),
            path="/",
            httponly=True,
            secure=secure,
            samesite="lax",
        )
        return response

    async def _me(self, request: Request) -> Response:
        person = self._person(request)
        if person is None:
            return Response(status_code=401)
        return JSONResponse([{"provider_name": "aad", "user_id": person.name, "user_claims": person.claims}])

    async def _logout(self, request: Request) -> Response:
        back = request.query_params.get("post_logout_redirect_uri")
        response = RedirectResponse(own_address(request, back) if back else "/.auth/logout/complete", 302)
        response.delete_cookie(COOKIE, path="/")
        return response

    def _person(self, request: Request) -> Person | None:
        """Return the person of a request's token or session, or None without one that is valid."""
        bearer = _bearer(request)
        text, _, signature = (bearer or request.cookies.get(COOKIE, "")).partition(".")
        if not hmac.compare_digest(signature.encode(), _signature(text, self._secret).encode()):
            return None
        content = json.loads(base64.urlsafe_b64decode(f"{text}=="))
        return Person(content["name"], content["roles"]) if content["until"] > time.time() else None


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def own_address(request: Request, address: str | None) -> str:
    """Return an address if it is one of this host, else the first screen.

    Azure, too, follows an address of another host only if it is configured as allowed.
    """
    if not address or "\\" in address or any(ord(letter) < 32 for letter in address):
        return "/"
    parts = urlsplit(address)
    if parts.netloc:
        same = parts.scheme in ("http", "https") and parts.netloc == request.url.netloc
        address = parts._replace(scheme="", netloc="").geturl() or "/" if same else "/"
    return (
        quote(address, safe="/?&=%:#+,;@!$'()*~[]")
        if address.startswith("/") and address[1:2] != "/"
        else "/"
    )


async def _signed_out(_request: Request) -> Response:
    return HTMLResponse(
        "<!DOCTYPE html><title>Signed out</title><p>You are signed out. <a href='/'>Sign in</a></p>"
    )


_CHOICE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tidepool: sign in</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 12vh auto; padding: 0 1rem }}
:root {{ color-scheme: light dark }} label {{ display: block; margin: .4rem 0 }}
input[name=name] {{ width: 100%; font: inherit; padding: .3rem }}
button {{ font: inherit; padding: .3rem 1rem }}
</style></head>
<body><main><h1>Sign in to Tidepool</h1>
<p>In Azure this is the sign-in of Entra ID. Here you choose who you are and which app roles you have.</p>
<form action="{callback}"><input type="hidden" name="post_login_redirect_uri" value="{back}">
<label>Name <input name="name" value="{name}"></label>
<label><input type="checkbox" name="role" value="reader" checked> reader</label>
<label><input type="checkbox" name="role" value="operator"> operator</label>
<label><input type="checkbox" name="role" value="approver"> approver</label>
<button>Sign in</button></form></main></body></html>
"""
