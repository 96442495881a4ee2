"""The token against forged requests: a cookie that each form repeats in a hidden field."""

import hmac
import secrets
from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from tidegate.errors import RefusedError

FIELD = "csrf"
_BYTES = 32


def _cookie(request: Request) -> str:
    """Return the name of the cookie. Browsers accept the prefix only over HTTPS, and from this host alone."""
    return "__Host-tidegate-csrf" if request.url.scheme == "https" else "tidegate-csrf"


def csrf_token(request: Request) -> str:
    """Return the token of the request's browser. A browser without one gets a new one."""
    token = request.cookies.get(_cookie(request)) or getattr(request.state, "csrf", None)
    if not token:
        token = request.state.csrf = secrets.token_urlsafe(_BYTES)
    return str(token)


def keep_token(request: Request, response: Response) -> None:
    """Set the cookie of a token that the response has in its forms."""
    token = getattr(request.state, "csrf", None)
    if token:
        response.set_cookie(
            _cookie(request),
            token,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def check_token(request: Request, form: Mapping[str, str]) -> None:
    """Raise RefusedError if a form was not sent by a page of this host."""
    kept, sent = request.cookies.get(_cookie(request), ""), form.get(FIELD, "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin" or not kept or not hmac.compare_digest(kept.encode(), sent.encode()):
        detail = "The form did not come from this page, or the page is too old. Reload the page and try again"
        raise RefusedError(403, "Not authorized", detail)
