"""Azure's exceptions in our words, in one place: worth another try, not worth one, not there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.errors import ConflictError, NotFoundError, PermanentError, TidegateError, TransientError

# 401 and 403 pass as role assignments take minutes to reach every server; a person sees them as delayed work.
_PASSING = {401, 403, 408, 425, 429}
_CONFLICTS = {409, 412}
_CODE = re.compile(r'"code": ?"(\w+)"')


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Raise what Azure's SDKs raise inside as an error of ours that says what was being done."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except TidegateError:
        raise
    except AzureError as error:
        raise _ours(error, f"{doing}: {_said(error)}") from error


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an SDK's exception, where there is one."""
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def error_code_of(error: BaseException) -> str:
    """Azure's own code, as in `TableNotFound`; empty where it gave none."""
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    if code is None:  # azure-data-tables leaves it in the body
        code = (_CODE.search(str(error)) or [None, None])[1]
    return str(getattr(code, "value", code) or "")


@contextmanager
def mlflow_errors(doing: str) -> Iterator[None]:
    """The same of what MLflow raises: its own errors, and those of the plugin that finds it a token."""
    from mlflow.exceptions import MlflowException

    with azure_errors(doing):
        try:
            yield
        except MlflowException as error:
            raise error_for(error.get_http_status_code(), f"{doing}: {error}") from error


def _ours(error: BaseException, message: str) -> TidegateError:
    from azure.core.exceptions import ClientAuthenticationError

    # A token that is not to be had comes without a status, or with whatever Entra ID answered.
    return error_for(None if isinstance(error, ClientAuthenticationError) else status_of(error), message)


def error_for(status: int | None, message: str) -> TidegateError:
    """What an answer with that status means; None is no answer."""
    if status == 404:
        return NotFoundError(message)
    if status in _CONFLICTS:
        return ConflictError(message)
    if status is None or status in _PASSING or status >= 500:
        return TransientError(message)
    return PermanentError(message)


def _said(error: BaseException) -> str:
    """One line; without request ids and times, which would make every occurrence another one."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    code = error_code_of(error)
    return line if not code or code in line else f"{line} ({code})"
