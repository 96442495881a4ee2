"""Refusals as Azure Machine Learning words them: `UserError`, and the inner codes that tell them apart."""

from starlette.responses import JSONResponse

from tidepool.default_resources import LOCATION
from tidepool.errors import AzureError


class UserError(AzureError):
    """A refusal of Azure ML's management front end; `inner`: its inner codes, outermost first."""

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


def missing(what: str, name: str, version: str = "", *, root: str, status: int = 400) -> UserError:
    """A resource that somebody names and that is not there."""
    place = root.rpartition("/")[2]
    holder = "registry" if "/registries/" in root.lower() else "workspace"
    called = f"'{name}' version '{version}'" if version else f"'{name}'"
    message = f"The {what} {called} was not found in {holder} '{place}'."
    return UserError(status, message, "NotFound", f"{what.title().replace(' ', '')}NotFound")


def _nested(codes: tuple[str, ...]) -> dict[str, object]:
    return {"code": codes[0], "innerError": _nested(codes[1:]) if len(codes) > 1 else None}
