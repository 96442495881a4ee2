"""Scripts that take or return whole HTTP messages: `azureml.contrib.services`, and its newer package.

It runs in the environment of the deployment. It needs Werkzeug there, but only for such scripts.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_RAW = "_tidepool_rawhttp"
_PACKAGES = ("azureml.contrib.services", "azureml_inference_server_http.api")


@dataclass(frozen=True)
class HttpBody:
    """The body of a request or a response, with its type. `status` is that of a response."""

    data: bytes
    content_type: str
    status: int = 200


def rawhttp(run: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a `run` that takes the whole request. Scripts use it as a decorator."""
    setattr(run, _RAW, True)
    return run


def takes_request(run: Callable[..., Any]) -> bool:
    return bool(getattr(run, _RAW, False))


def define_modules() -> None:
    """Let scripts import `AMLRequest`, `AMLResponse` and `rawhttp` without the real packages."""
    for package in _PACKAGES:
        names = package.split(".")
        for end in range(1, len(names) + 1):
            name = ".".join(names[:end])
            if end > 1 or name != "azureml":
                sys.modules.setdefault(name, ModuleType(name))
        for name in ("aml_request", "aml_response"):
            sys.modules.setdefault(f"{package}.{name}", _LazyModule(f"{package}.{name}"))


def call_with_request(run: Callable[..., Any], body: HttpBody) -> Any:
    """Call a `run` that takes the whole request, which is a Werkzeug request, as in Azure."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/score",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "5001",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body.data),
        "CONTENT_LENGTH": str(len(body.data)),
        "CONTENT_TYPE": body.content_type,
    }
    return run(_classes()["AMLRequest"](environ))


def as_response(result: Any) -> HttpBody | None:
    """Return the content of an HTTP response that a script returned, or None for any other value."""
    if not hasattr(result, "get_data") or not hasattr(result, "status_code"):
        return None
    return HttpBody(result.get_data(), result.content_type or "application/json", result.status_code)


class _LazyModule(ModuleType):
    """A module whose classes need Werkzeug, which is imported when a script asks for one of them."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        classes = _classes()
        if name not in classes:
            raise AttributeError(f"Tidepool's module {self.__name__} has no {name}")
        return classes[name]


def _classes() -> dict[str, Any]:
    try:
        from werkzeug import Request, Response
    except ImportError as error:
        raise ImportError(
            "the package werkzeug is needed for AMLRequest and AMLResponse: pip install werkzeug"
        ) from error

    class AMLRequest(Request):
        """The request that a script with `@rawhttp` gets."""

    class AMLResponse(Response):
        """A response that a script returns."""

        def __init__(
            self, message: Any, status_code: int = 200, response_headers: Any = None, json_str: bool = False
        ) -> None:
            text = json.dumps(message) if json_str or not isinstance(message, (str, bytes)) else message
            kind = "application/json" if json_str or not isinstance(message, (str, bytes)) else None
            super().__init__(text, status_code, response_headers, mimetype=kind)

    return {"AMLRequest": AMLRequest, "AMLResponse": AMLResponse, "rawhttp": rawhttp}
