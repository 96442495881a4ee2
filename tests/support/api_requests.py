"""Requests to the HTTP API in this process, passed on by the ASGI middleware of Azure Functions."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import azure.functions as func

from tidegate.api.app import create_app
from tidegate.bootstrap import Service


class Api:
    def __init__(self, service: Callable[[], Service]) -> None:
        self._middleware = func.AsgiMiddleware(create_app(service))

    def get(self, path: str) -> func.HttpResponse:
        return self._ask("GET", path, b"", {})

    def post(self, path: str, body: Any, **headers: str) -> func.HttpResponse:
        """Post `body` as JSON, or unchanged if it is bytes. `idempotency_key` becomes a header."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", path, content, {"content-type": "application/json", **named})

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> func.HttpResponse:
        url = f"https://tidegate.azurewebsites.net{path}"
        request = func.HttpRequest(method=method, url=url, headers=headers, body=body)
        return asyncio.run(self._middleware.handle_async(request))


def content(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())
