"""What the API answers when it refuses: problem details (RFC 9457), always saying what to do instead."""

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
    """Why a request was refused, and what to do."""

    title: str
    status: int
    detail: str
    mistakes: list[str] = []


_BY_ERROR: tuple[tuple[type[TidegateError], int, str], ...] = (
    (ConfigError, 503, "The configuration cannot be used"),
    (TransientError, 503, "Azure is away or busy"),
    (NotFoundError, 404, "There is no such thing"),
    (PermanentError, 422, "This cannot be done"),
)


def documented(*statuses: int) -> Responses:
    """For `responses=` of a route: these statuses answer with a Problem."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": "Problem", "content": content} for status in statuses}


def handle_problems(app: FastAPI) -> None:
    """Make the app answer everything that is raised as a Problem."""
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
    found: Sequence[Any] = error.errors()
    if broken := next((one for one in found if one["type"] == "json_invalid"), None):
        detail = f"The body is no JSON: {broken['ctx']['error']} at character {broken['loc'][-1]}"
        return answer(Problem(title="Malformed JSON", status=400, detail=detail))
    if found[0]["loc"] == ("body",) and not _is_json(request):
        detail = "body: send JSON, and with it the header Content-Type: application/json"
        return answer(Problem(title="The body is not sent as JSON", status=422, detail=detail))
    mistakes = [f"{_place(one['loc'])}: {_what(one)}" for one in found]
    title, detail = "The request is not valid", "; ".join(mistakes)
    return answer(Problem(title=title, status=422, detail=detail, mistakes=mistakes))


async def _of_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}; /api/docs lists what there is"
    problem = Problem(title=str(error.detail), status=error.status_code, detail=detail)
    return answer(problem, headers=dict(error.headers or {}))


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    more = {"Retry-After": str(_RETRY_AFTER_S)} if problem.status == 503 else {}
    return JSONResponse(
        problem.model_dump(), problem.status, headers={**(headers or {}), **more}, media_type=MEDIA_TYPE
    )


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _place(where: Sequence[str | int]) -> str:
    """`body.reason`, `path.month`; the body as a whole is `body`."""
    return ".".join(str(part) for part in where)


def _what(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["loc"] == ("path", "month"):
        return f"a month is year and month, as in 202611 (not {error['input']!r})"
    return str(error["msg"]).removeprefix("Value error, ")
