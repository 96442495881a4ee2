"""The error responses of the API: problem details (RFC 9457) that say what is wrong and what to do."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tidegate.errors import (
    ConfigError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TidegateError,
    TransientError,
)
from tidegate.log import Log

log = Log(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 10
Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """The reason why a request failed, and what to do. `mistakes` lists each invalid field."""

    title: str
    status: int
    detail: str
    mistakes: list[str] = []


_BY_ERROR: tuple[tuple[type[TidegateError], int, str], ...] = (
    (ConfigError, 503, "Invalid configuration"),
    (TransientError, 503, "Azure is not available"),
    (NotFoundError, 404, "Not found"),
    (PermanentError, 422, "Unprocessable"),
)
_DESCRIPTIONS = {
    400: "Malformed JSON",
    403: "Not authorized: the caller is not signed in with the role that is needed",
    404: "Not found",
    409: "Conflict: the current state does not allow the request",
    413: "Too large: the body has more bytes than are accepted",
    422: "Unprocessable: a part of the request is not valid",
    503: "The configuration is invalid, or Azure is not available. Try again later",
}


def documented(*statuses: int) -> Responses:
    """Return the argument `responses=` of a route whose error responses have these statuses."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in statuses}


def handle_problems(app: FastAPI) -> None:
    """Make the app return a Problem for each error that is raised."""
    app.add_exception_handler(RefusedError, _of_refusal)
    app.add_exception_handler(TidegateError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_route)


async def _of_refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    return answer(Problem(title=error.title, status=error.status, detail=error.detail))


async def _of_error(_request: Request, error: Exception) -> JSONResponse:
    for kind, status, title in _BY_ERROR:
        if isinstance(error, kind):
            log.warning("request_failed", status=status, error=error)
            return answer(Problem(title=title, status=status, detail=str(error)))
    raise error


async def _of_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors: Sequence[Any] = error.errors()
    if malformed := next((entry for entry in errors if entry["type"] == "json_invalid"), None):
        detail = f"The body is not JSON: {malformed['ctx']['error']} at character {malformed['loc'][-1]}"
        return answer(Problem(title="Malformed JSON", status=400, detail=detail))
    if errors[0]["loc"] == ("body",) and not _is_json(request):
        detail = "body: send JSON with the header Content-Type: application/json"
        return answer(Problem(title="Unprocessable", status=422, detail=detail))
    mistakes = [f"{_path(entry['loc'])}: {_message(entry)}" for entry in errors]
    problem = Problem(title="Unprocessable", status=422, detail="; ".join(mistakes), mistakes=mistakes)
    return answer(problem)


async def _of_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = str(error.detail).capitalize()
    detail = f"{request.method} {request.url.path}: {title}. /api/docs lists all routes"
    problem = Problem(title=title, status=error.status_code, detail=detail)
    return answer(problem, headers=dict(error.headers or {}))


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the HTTP response for a problem. A 503 response says when to try again."""
    more = {"Retry-After": str(_RETRY_AFTER_S)} if problem.status == 503 else {}
    return JSONResponse(
        problem.model_dump(), problem.status, headers={**(headers or {}), **more}, media_type=MEDIA_TYPE
    )


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _path(location: Sequence[str | int]) -> str:
    """Return where a mistake is: `body` (the whole body), `body.reason`, `path.partition`."""
    return ".".join(str(part) for part in location)


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key: remove it"
    if error["loc"] == ("path", "partition"):
        return f"write a month as 202611, or a day as 20261105 (not {error['input']!r})"
    return str(error["msg"]).removeprefix("Value error, ")
