"""Azure's error responses.

Any part of Tidepool raises an exception, and the gateway turns it into a response.
"""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response


class AzureError(Exception):
    """An error response in Azure's format: HTTP status, error code and message."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        return JSONResponse(
            {"error": {"code": self.code, "message": self.message}},
            status_code=self.status,
            headers={**self.headers, "x-ms-error-code": self.code},
        )

    def storage_response(self, service: str) -> Response:
        """Return the response in the format of Azure Storage: XML, and for tables OData."""
        headers = {**self.headers, "x-ms-error-code": self.code}
        if service == "table":
            message = {"lang": "en-US", "value": self.message}
            body = {"odata.error": {"code": self.code, "message": message}}
            return JSONResponse(body, self.status, headers)
        text = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        xml = f'<?xml version="1.0" encoding="utf-8"?>{text}'
        return Response(xml, self.status, headers, media_type="application/xml")


def not_found(resource: str) -> AzureError:
    return AzureError(404, "ResourceNotFound", f"The resource '{resource}' was not found.")


def not_emulated(method: str, url: str) -> AzureError:
    """Return the error for a route that Tidepool does not have. It does not look like an error of Azure."""
    return AzureError(
        501,
        "NotEmulated",
        f"Tidepool does not emulate {method} {url}. docs/tidepool.md lists what it emulates.",
    )


def refused_property(name: str, value: object, reason: str) -> AzureError:
    """Return the error for a property that Tidepool could only ignore."""
    return AzureError(501, "NotEmulated", f"Tidepool does not emulate '{name}': {value!r}; {reason}.")
