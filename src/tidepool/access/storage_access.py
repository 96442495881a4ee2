"""Who may do what with storage: the actions of Azure's roles that a request needs."""

from starlette.requests import Request

from tidepool.access.identity import Identity
from tidepool.access.principals import PRINCIPALS
from tidepool.default_resources import storage_account_id
from tidepool.errors import AzureError
from tidepool.storage.blob_batches import is_batch
from tidepool.storage.request import StorageRequest

AUDIENCE = "https://storage.azure.com"
_ACTIONS = {"GET": "read", "HEAD": "read", "DELETE": "delete"}  # everything else writes
_SERVICES = {
    "blob": ("blobServices/containers", "blobs"),
    "queue": ("queueServices/queues", "messages"),
    "table": ("tableServices/tables", "entities"),
}


class StorageAccess:
    """Checks bearer tokens and roles; keys and SAS are Azurite's to check."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def token(self) -> str:
        """What Tidepool's own requests carry."""
        return self._identity.issue(AUDIENCE, PRINCIPALS["developer"])

    def check(self, asked: Request, request: StorageRequest) -> None:
        """AzureError 401 or 403 for a bearer token that does not allow this."""
        if not request.header("authorization").lower().startswith("bearer "):
            return
        principal = self._identity.check(asked, AUDIENCE)
        scope, data = storage_account_id(request.account), _is_inside(request)
        if not self._identity.allows(principal, action_of(request), scope, data=data):
            raise AzureError(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            )


def action_of(request: StorageRequest) -> str:
    """The action of Microsoft.Storage that the request needs."""
    if request.query.get("comp") == "userdelegationkey":
        return "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
    outer, inner = _SERVICES[request.service]
    verb = "delete" if is_batch(request) else _ACTIONS.get(request.method, "write")
    inside = f"/{inner}" if _is_inside(request) else ""
    return f"Microsoft.Storage/storageAccounts/{outer}{inside}/{verb}"


def _is_inside(request: StorageRequest) -> bool:
    """Whether it is about a blob, a message or an entity, and not about what holds it."""
    if request.service == "table":
        return not request.path.strip("/").lower().startswith("tables")
    return is_batch(request) or bool(request.segments[1])
