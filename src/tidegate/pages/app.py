"""The pages of the service for people: the app with all its routes, its headers, and its pages for errors.

App Service's authentication lets requests without a sign-in pass, so each page asks for a person with a role.
Modules on the path of events must not import this one.
"""

from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint

from tidegate.bootstrap import Service
from tidegate.errors import NotFoundError, RefusedError, TidegateError
from tidegate.log import Log
from tidegate.pages import actions, backfills, models, overview, partitions, static_files, work
from tidegate.pages.access import SignInRequiredError
from tidegate.pages.csrf import keep_token
from tidegate.pages.forms import not_done, read_form
from tidegate.pages.rendering import render

log = Log(__name__)

LOGIN = "/.auth/login/aad"
_MOST_BODY_BYTES = 64 * 1024
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_pages(service: Callable[[], Service]) -> FastAPI:
    """Return the ASGI app. `service` is called for each request, so that a bad environment gives a page."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.service = service
    for routes in (static_files, overview, partitions, models, work, actions, backfills):
        app.include_router(routes.router)
    app.middleware("http")(_guard)
    app.add_exception_handler(SignInRequiredError, _sign_in)
    app.add_exception_handler(TidegateError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_route)
    return app


async def _guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse large bodies, and add the headers that protect a page."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _MOST_BODY_BYTES:
        detail = f"The form is larger than {_MOST_BODY_BYTES:,} bytes"
        response: Response = _page(request, 413, "Too large", detail)
    else:
        response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    keep_token(request, response)
    return response


async def _sign_in(request: Request, _error: Exception) -> Response:
    """Send a person to the sign-in and back to this address. A part of a page says so instead."""
    if request.headers.get("hx-request"):
        return render(request, "signed_out_part.html", 401, login=login_url("/"))
    if request.method not in ("GET", "HEAD"):
        form = await read_form(request)
        return render(request, "signed_out.html", 401, login=login_url("/"), typed=form.typed)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(login_url(request.url.path + query), 302)


def login_url(back: str) -> str:
    """Return the address of App Service's sign-in, which leads back to a path of this host."""
    return f"{LOGIN}?post_login_redirect_uri={quote(back, safe='')}"


async def _of_error(request: Request, error: Exception) -> Response:
    if request.method == "POST":
        refusal = error if isinstance(error, RefusedError) else RefusedError(503, "Not available", str(error))
        return not_done(request, refusal)
    if isinstance(error, RefusedError):
        return _page(request, error.status, error.title, error.detail)
    log.warning("page_failed", path=request.url.path, error=error)
    if isinstance(error, NotFoundError):
        return _page(request, 404, "Not found", str(error))
    detail = "The service cannot read its data now. Nothing is lost; try again in a minute."
    if getattr(request.state, "visitor", None):
        detail += f" The reason: {error}"
    return _page(request, 503, "Not available", detail)


async def _of_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = "; ".join(f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in error.errors())
    return _page(request, 404, "Not found", f"The address is not valid. {mistakes}")


async def _of_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "There is no such page. The search finds a partition, model, job or failure by its id."
    return _page(request, error.status_code, str(error.detail), detail)


def _page(request: Request, status: int, title: str, detail: str) -> Response:
    return render(request, "error.html", status, title=title, detail=detail, status_code=status)
