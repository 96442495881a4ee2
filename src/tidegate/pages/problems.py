"""What a person reads if a page cannot be shown: the sign-in, and why something failed."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from tidegate.errors import NotFoundError, RefusedError, TidegateError
from tidegate.log import Log
from tidegate.pages.access import SignInRequiredError
from tidegate.pages.forms import not_done, read_form
from tidegate.pages.rendering import render

log = Log(__name__)

LOGIN = "/.auth/login/aad"
# Where htmx shows the problem of a part: beside what the page shows still, and not in its place.
_BESIDE = {"HX-Retarget": "#problem", "HX-Reswap": "innerHTML", "HX-Reselect": ".notice"}


def handle_problems(app: FastAPI) -> None:
    """Make the app show a page for each error that is raised."""
    app.add_exception_handler(SignInRequiredError, _sign_in)
    app.add_exception_handler(TidegateError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_route)


def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    """Return the page of a problem. If only a part of a page was asked for, return a part."""
    part = request.headers.get("hx-request")
    template = "error_part.html" if part else "error.html"
    response = render(request, template, status, title=title, detail=detail, status_code=status)
    response.headers.update(_BESIDE if part else {})
    return response


def login_url(back: str) -> str:
    """Return the address of App Service's sign-in, which leads back to a path of this host."""
    return f"{LOGIN}?post_login_redirect_uri={quote(back, safe='')}"


async def _sign_in(request: Request, _error: Exception) -> Response:
    """Send a person to the sign-in and back to this address. A part of a page says so instead."""
    pressed = request.method not in ("GET", "HEAD")
    if request.headers.get("hx-request"):
        part = render(request, "signed_out_part.html", 401, login=login_url("/"), pressed=pressed)
        part.headers.update({} if pressed else _BESIDE)
        return part
    if pressed:
        form = await read_form(request)
        return render(request, "signed_out.html", 401, login=login_url("/"), typed=form.typed)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(login_url(request.url.path + query), 302)


async def _of_error(request: Request, error: Exception) -> Response:
    if request.method == "POST":
        refusal = error if isinstance(error, RefusedError) else RefusedError(503, "Not available", str(error))
        return not_done(request, refusal)
    if isinstance(error, RefusedError):
        return problem_page(request, error.status, error.title, error.detail)
    log.warning("page_failed", path=request.url.path, error=error)
    if isinstance(error, NotFoundError):
        return problem_page(request, 404, "Not found", str(error))
    detail = "The service cannot read its data now. Nothing is lost; try again in a minute."
    if getattr(request.state, "visitor", None):
        detail += f" The reason: {error}"
    return problem_page(request, 503, "Not available", detail)


async def _of_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = "; ".join(f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in error.errors())
    return problem_page(request, 404, "Not found", f"The address is not valid. {mistakes}")


async def _of_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "There is no such page. The search finds a partition, model, job or failure by its id."
    return problem_page(request, error.status_code, str(error.detail), detail)
