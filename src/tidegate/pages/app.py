"""The pages of the service for people: the app with all its routes and headers.

App Service's authentication lets requests without a sign-in pass, so each page asks for a person with a role.
Modules on the path of events must not import this one.
"""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.middleware.base import RequestResponseEndpoint

from tidegate.api.body_limit import TOO_LARGE, is_too_large
from tidegate.bootstrap import Service
from tidegate.pages import (
    actions,
    backfills,
    downloads,
    members,
    models,
    overview,
    partitions,
    pictures,
    static_files,
    work,
)
from tidegate.pages.csrf import keep_token
from tidegate.pages.problems import handle_problems, problem_page

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ROUTES = (static_files, overview, partitions, downloads, models, members, pictures, work, actions, backfills)


def create_pages(service: Callable[[], Service]) -> FastAPI:
    """Return the ASGI app. `service` is called for each request, so that a bad environment gives a page.

    A path with a final slash is not redirected, because that address would begin with the header Host.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.service = service
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.middleware("http")(_guard)
    handle_problems(app)
    return app


async def _guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse large bodies, and add the headers that protect a page."""
    if await is_too_large(request):
        response = problem_page(request, 413, "Too large", TOO_LARGE)
    else:
        response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    keep_token(request, response)
    return response
