"""The authorization of requests to storage by bearer token and role."""

import time

from starlette.requests import Request

from tidepool.access.identity import LIFETIME_S, Identity
from tidepool.access.principals import PRINCIPALS, Principal
from tidepool.arm import resource_groups
from tidepool.default_resources import seed_hint
from tidepool.errors import AzureError
from tidepool.storage.blob_batches import is_batch
from tidepool.storage.request import StorageRequest
from tidepool.store import Document, Store

AUDIENCE = "https://storage.azure.com"
_ACTIONS = {"GET": "read", "HEAD": "read", "DELETE": "delete"}  # all other methods write
_SERVICES = {
    "blob": ("blobServices/containers", "blobs"),
    "queue": ("queueServices/queues", "messages"),
    "table": ("tableServices/tables", "entities"),
}


class StorageAuthorization:
    """The check of accounts, bearer tokens and roles. Azurite checks account keys and SAS itself."""

    def __init__(self, *, identity: Identity, store: Store) -> None:
        self._identity = identity
        self._store = store
        self._token = ""
        self._issued_at = 0.0

    def account_id(self, name: str) -> str:
        """Return the id of a storage account, which may be in any resource group."""
        return resource_groups.account_id(self._store, name)

    def token(self) -> str:
        """Return a bearer token for Tidepool's own requests. It is used again while it is valid for long."""
        now = time.monotonic()
        if not self._token or now - self._issued_at > LIFETIME_S / 2:
            self._token = self._identity.issue(AUDIENCE, PRINCIPALS["developer"])
            self._issued_at = now
        return self._token

    def check(self, http_request: Request, request: StorageRequest) -> None:
        """Raise AzureError 401 or 403 if the request is not allowed, and 400 if there is no such account."""
        account = self._account(request)
        if not request.header("authorization").lower().startswith("bearer "):
            _check_key_access(account, request)
            return
        self.require(self._identity.check(http_request, AUDIENCE), request)

    def check_keys(self, request: StorageRequest) -> None:
        """Raise AzureError 403 if the request is signed, and the account does not allow this."""
        _check_key_access(self._account(request), request)

    def _account(self, request: StorageRequest) -> Document:
        account = self._store.get(self.account_id(request.account))
        if account is None:
            raise AzureError(
                400,
                "AccountDoesNotExist",
                f"The storage account '{request.account}' does not exist. (In Azure, its name does not "
                f"resolve.) {seed_hint(request.account, request.segments[0] or 'CONTAINER')}",
            )
        return account

    def require(self, principal: Principal, request: StorageRequest) -> None:
        """Raise AzureError 403 if no role of the principal allows the request."""
        scope, data = scope_of(request, self.account_id(request.account)), _is_inside(request)
        action = action_of(request)
        if not self._identity.allows(principal, action, scope, data=data):
            raise AzureError(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission. "
                f"The identity '{principal.name}' (object id {principal.id}) has no role with the action "
                f"'{action}' at the scope '{scope}'. {_hint(request.service, action)}",
            )


def _hint(service: str, action: str) -> str:
    """Return which of Azure's roles allows an action on blobs, messages or entities."""
    if service == "blob":
        role = "Storage Blob Data Reader" if action.endswith("/read") else "Storage Blob Data Contributor"
    else:
        role = f"Storage {service.title()} Data Contributor"
    return f"The role '{role}' has it."


def _check_key_access(account: Document, request: StorageRequest) -> None:
    """Raise AzureError 403 if the request is signed with a key of an account that does not allow this."""
    signed = request.header("authorization") or ("sig" in request.query and "skoid" not in request.query)
    if signed and account["properties"].get("allowSharedKeyAccess") is False:
        raise AzureError(
            403,
            "KeyBasedAuthenticationNotPermitted",
            "Key based authentication is not permitted on this storage account.",
        )


def scope_of(request: StorageRequest, account: str) -> str:
    """Return the id of the container, queue or table of a request, or of the account if it names none."""
    kind, _, collection = _SERVICES[request.service][0].partition("/")
    name = _table(request) if request.service == "table" else request.segments[0]
    return f"{account}/{kind}/default/{collection}/{name}" if name else account


def _table(request: StorageRequest) -> str:
    """Return the name of the table whose entities a request is about. It is empty for a batch."""
    name = request.segments[0].partition("(")[0]
    return name if _is_inside(request) and not name.startswith("$") else ""


def action_of(request: StorageRequest) -> str:
    """Return the action of Microsoft.Storage that the request needs."""
    if request.query.get("comp") == "userdelegationkey":
        return "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
    outer, inner = _SERVICES[request.service]
    verb = "delete" if is_batch(request) else _ACTIONS.get(request.method, "write")
    inside = f"/{inner}" if _is_inside(request) else ""
    if (request.service, request.method, inside) == ("queue", "POST", "/messages"):
        verb = "add/action"
    return f"Microsoft.Storage/storageAccounts/{outer}{inside}/{verb}"


def _is_inside(request: StorageRequest) -> bool:
    """Return whether the request is about a blob, message or entity, not a container, queue or table."""
    if request.service == "table":
        return not request.path.strip("/").lower().startswith("tables")
    return is_batch(request) or bool(request.segments[1])
