"""One workspace's MLClient, made at first use, and what azure-ai-ml raises in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors, status_of
from tidegate.config.schema import WorkspaceConfig
from tidegate.errors import NotFoundError, PermanentError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class LazyMLClient:
    """azure-ai-ml takes a second to import: only commands that need it do, and not the event path."""

    def __init__(self, workspace: WorkspaceConfig, credential: "TokenCredential") -> None:
        self.workspace = workspace
        self.credential = credential
        self._lock = RLock()

    @property
    def ml(self) -> Any:
        with self._lock:  # two threads that import it at once trip over each other
            return self._client

    @cached_property
    def _client(self) -> Any:
        return self.new_client()

    def new_client(self) -> Any:
        """For what changes a client while it goes on."""
        from azure.ai.ml import MLClient

        return MLClient(
            self.credential,
            self.workspace.subscription,
            self.workspace.resource_group,
            self.workspace.name,
            show_progress=False,
            enable_telemetry=False,
        )


@contextmanager
def ml_errors(doing: str) -> Iterator[None]:
    """As `azure_errors`; what azure-ai-ml itself refuses is not worth another try."""
    from azure.ai.ml.exceptions import MlException, ValidationErrorType, ValidationException

    with azure_errors(doing):
        try:
            yield
        except MlException as error:
            if cause := _http_cause(error):
                raise cause from error
            missing = getattr(error, "error_type", None) is ValidationErrorType.RESOURCE_NOT_FOUND
            if missing:
                raise NotFoundError(f"{doing}: {error.message}") from error
            if isinstance(error, ValidationException):
                raise PermanentError(f"{doing}: {error.message}") from error
            raise


def _http_cause(error: BaseException) -> BaseException | None:
    """The answer of Azure that the SDK's own exception wraps, where there is one."""
    seen = [error]
    while (cause := seen[-1].__cause__ or seen[-1].__context__) and cause not in seen:
        if status_of(cause) is not None:
            return cause
        seen.append(cause)
    return None
