"""Who the service is towards Azure: one credential for everything. Holds no secret."""

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.identity import DefaultAzureCredential


class ServiceCredential:
    """The managed identity in Azure, a developer's sign-in on a workstation: a TokenCredential for all SDKs.

    azure.identity is imported with the first token, so that starting the app does not wait for it.
    """

    def __init__(self, client_id: str | None = None) -> None:
        self._client_id = client_id
        self._lock = Lock()

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        return self._chain().get_token(*scopes, **options)

    def get_token_info(self, *scopes: str, **options: Any) -> "AccessTokenInfo":
        return self._chain().get_token_info(*scopes, **options)

    def _chain(self) -> "DefaultAzureCredential":
        with self._lock:
            return self._credential

    @cached_property
    def _credential(self) -> "DefaultAzureCredential":
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(managed_identity_client_id=self._client_id)
