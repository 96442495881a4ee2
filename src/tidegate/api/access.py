"""What every route of the API needs: the service, and the key that the host checks. Has no route."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from tidegate.wiring import Service

FUNCTION_KEY = APIKeyHeader(name="x-functions-key", scheme_name="functionKey", auto_error=False)


def _service(request: Request) -> Service:
    found: Service = request.app.state.service()
    return found


Services = Annotated[Service, Depends(_service)]
