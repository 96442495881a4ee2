"""The MLClient of a workspace, made at its first use, and the translation of azure-ai-ml's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors, status_of
from tidegate.cloud.connection import client_options
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.errors import NotFoundError, PermanentError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class LazyMLClient:
    """A holder of an MLClient that imports azure-ai-ml at the first use.

    The import takes a second, so only commands that need the MLClient wait for it, and the event path never
    does.
    """

    def __init__(self, workspace: WorkspaceConfig, credential: "TokenCredential") -> None:
        self.workspace = workspace
        self.credential = credential
        self._lock = RLock()

    @property
    def ml(self) -> Any:
        """The shared MLClient."""
        with self._lock:  # azure-ai-ml fails if two threads import it at the same time
            return self._client

    @cached_property
    def _client(self) -> Any:
        from azure.ai.ml import MLClient

        return MLClient(
            self.credential,
            self.workspace.subscription,
            self.workspace.resource_group,
            self.workspace.name,
            show_progress=False,
            enable_telemetry=False,
            **client_options(),
        )


@contextmanager
def ml_errors(doing: str) -> Iterator[None]:
    """Translate errors as `azure_errors` does. The own errors of azure-ai-ml are permanent errors."""
    from azure.ai.ml.exceptions import MlException, ValidationErrorType, ValidationException

    with azure_errors(doing):
        try:
            yield
        except MlException as error:
            if cause := _http_cause(error):
                raise cause from error
            missing = getattr(error, "error_type", None) is ValidationErrorType.RESOURCE_NOT_FOUND
            if missing:
                raise NotFoundError(f"cannot {doing}: {error.message}") from error
            if isinstance(error, ValidationException):
                raise PermanentError(f"cannot {doing}: {error.message}") from error
            raise


def _http_cause(error: BaseException) -> BaseException | None:
    """Return the exception with Azure's HTTP answer that the SDK's own exception wraps, or None."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        if status_of(cause) is not None:
            return cause
        chain.append(cause)
    return None
