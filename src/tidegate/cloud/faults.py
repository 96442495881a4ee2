"""Azure's exceptions in our words, in one place: worth another try, not worth one, not there."""

from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.errors import ConflictError, NotThereError, PermanentError, TidegateError, TransientError

# 401 and 403 pass as role assignments take minutes to reach every server; a person sees them as delayed work.
_PASSING = {401, 403, 408, 425, 429}
_CONFLICTS = {409, 412}


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Raise what Azure's SDKs raise inside as an error of ours that says what was being done."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except TidegateError:
        raise
    except AzureError as error:
        raise _ours(error, f"{doing}: {_first_line(error)}") from error


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an SDK's exception, where there is one."""
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def error_code_of(error: BaseException) -> str:
    """Azure's own code, as in `TableNotFound`; empty where it gave none."""
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    return str(getattr(code, "value", code) or "")


def _ours(error: BaseException, message: str) -> TidegateError:
    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError

    status = status_of(error)
    if status == 404:
        return NotThereError(message)
    if status in _CONFLICTS:
        return ConflictError(message)
    passing = isinstance(error, ServiceRequestError | ServiceResponseError | ClientAuthenticationError)
    if passing or status is None or status in _PASSING or status >= 500:
        return TransientError(message)
    return PermanentError(message)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
