"""Errors in the format of Azure Machine Learning: `UserError` with inner codes."""

from starlette.responses import JSONResponse

from tidepool.default_resources import LOCATION
from tidepool.errors import AzureError


class UserError(AzureError):
    """An error of Azure ML's management front end. `inner` lists the inner error codes, outermost first."""

    def __init__(self, status: int, message: str, *inner: str) -> None:
        super().__init__(status, "UserError", message)
        self.inner = inner

    def response(self) -> JSONResponse:
        information = {"ComponentName": "managementfrontend", "Environment": LOCATION, "Location": LOCATION}
        additional = [{"type": name, "info": {"value": value}} for name, value in information.items()]
        if self.inner:
            additional.append({"type": "InnerError", "info": {"value": _nested(self.inner)}})
        error = {"code": self.code, "message": self.message, "details": [], "additionalInfo": additional}
        return JSONResponse({"error": error}, status_code=self.status, headers={"x-ms-error-code": self.code})


def missing(noun: str, name: str, version: str = "", *, root: str, status: int = 400) -> UserError:
    """Return the error for a resource that does not exist in the workspace or registry `root`."""
    owner = "registry" if "/registries/" in root.lower() else "workspace"
    label = f"'{name}' version '{version}'" if version else f"'{name}'"
    message = f"The {noun} {label} was not found in {owner} '{root.rpartition('/')[2]}'."
    return UserError(status, message, "NotFound", f"{noun.title().replace(' ', '')}NotFound")


def _nested(codes: tuple[str, ...]) -> dict[str, object]:
    return {"code": codes[0], "innerError": _nested(codes[1:]) if len(codes) > 1 else None}
