"""The translation of Azure's exceptions to the errors of the service: retry, do not retry, not found."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from tidegate.errors import ConflictError, NotFoundError, PermanentError, TidegateError, TransientError

# 401 and 403 are retried because a role assignment takes minutes to reach every server of Azure.
# Until then the work is only delayed, and people are notified of the delay.
_TRANSIENT = {401, 403, 408, 425, 429}
_CONFLICTS = {409, 412}
_CODE = re.compile(r'"code": ?"(\w+)"')


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Translate what Azure's SDKs raise inside the block to errors of the service.

    `doing` says in the imperative what the block does ("read table x"). The message is
    "cannot read table x: " and the reason that Azure gave.
    """
    from azure.core.exceptions import AzureError

    try:
        yield
    except TidegateError:
        raise
    except AzureError as error:
        raise _translated(error, f"cannot {doing}: {_one_line(error)}") from error
    except JSONDecodeError as error:  # the page of a proxy, for example
        raise TransientError(f"cannot {doing}: the answer is not JSON") from error


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an SDK's exception, or None if there was no response."""
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def error_code_of(error: BaseException) -> str:
    """Return Azure's own error code, such as `TableNotFound`, or an empty string if there is none."""
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    if code is None:  # azure-data-tables leaves the code in the body of the response
        code = (_CODE.search(str(error)) or [None, None])[1]
    return str(getattr(code, "value", code) or "")


def _translated(error: BaseException, message: str) -> TidegateError:
    from azure.core.exceptions import ClientAuthenticationError

    # If no token can be had, the error has no status, or the status of Entra ID's response.
    return error_for(None if isinstance(error, ClientAuthenticationError) else status_of(error), message)


def error_for(status: int | None, message: str) -> TidegateError:
    """Return the error of the service for an HTTP status.

    A status of None means that there was no response.
    """
    if status == 404:
        return NotFoundError(message)
    if status in _CONFLICTS:
        return ConflictError(message)
    if status is None or status in _TRANSIENT or status >= 500:
        return TransientError(message)
    return PermanentError(message)


def _one_line(error: BaseException) -> str:
    """Return the first line of an error's text, with Azure's error code.

    The other lines have request ids and times, so the same failure would get another text each time.
    """
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    code = error_code_of(error)
    return line if not code or code in line else f"{line} ({code})"
