"""The one credential that the service uses for all of Azure. The credential contains no secret."""

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from tidegate.cloud.connection import client_options

_READ_TIMEOUT_S = 5.0

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.identity import DefaultAzureCredential


class ServiceCredential:
    """A TokenCredential for all SDKs: the managed identity in Azure, a developer's sign-in elsewhere.

    azure.identity is imported when the first token is needed, so that the app starts without waiting for it.
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

        options = client_options(_READ_TIMEOUT_S)
        return DefaultAzureCredential(managed_identity_client_id=self._client_id, **options)
