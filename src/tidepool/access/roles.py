"""Azure's built-in roles as data: their ids and the actions that they allow."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidepool.errors import AzureError
from tidepool.store import Document

_ML = "Microsoft.MachineLearningServices/workspaces"
SEND_EVENTS = "Microsoft.EventGrid/events/send/action"


@dataclass(frozen=True)
class Role:
    """A role definition with the actions that Tidepool checks."""

    name: str
    id: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def allows(self, action: str, *, data: bool = False) -> bool:
        if data:
            return _any(self.data_actions, action)
        return _any(self.actions, action) and not _any(self.not_actions, action)

    def permission(self) -> Document:
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }

    def definition_id(self, subscription: str) -> str:
        return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{self.id}"


# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = (
    Role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ("*",)),
    Role(
        "Contributor",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        ("*",),
        ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"),
    ),
    Role(
        "AcrPull",
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        ("Microsoft.ContainerRegistry/registries/pull/read",),
    ),
    Role(
        "Monitoring Metrics Publisher",
        "3913510d-42f4-4e42-8a64-420c390055eb",
        ("Microsoft.Insights/Register/Action", "Microsoft.Resources/subscriptions/resourceGroups/read"),
        data_actions=("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    Role("Monitoring Reader", "43d0d8ad-25c7-4714-9337-8ba259a9fe05", ("*/read",)),
    Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ("*/read",)),
    Role(
        "AzureML Data Scientist",
        "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        (f"{_ML}/*/read", f"{_ML}/*/action", f"{_ML}/*/delete", f"{_ML}/*/write", f"{_ML}/read"),
        (
            f"{_ML}/delete",
            f"{_ML}/write",
            f"{_ML}/computes/*/write",
            f"{_ML}/computes/*/delete",
            f"{_ML}/computes/listKeys/action",
            f"{_ML}/listKeys/action",
        ),
    ),
    Role(
        "AzureML Compute Operator",
        "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
        (f"{_ML}/computes/*", f"{_ML}/notebooks/vm/*"),
    ),
    Role(
        "AzureML Registry User",
        "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
        (
            "Microsoft.MachineLearningServices/registries/read",
            "Microsoft.MachineLearningServices/registries/assets/*",
        ),
    ),
    Role(
        "EventGrid Contributor",
        "1e241071-0855-49ea-94dc-649edcd759de",
        ("Microsoft.EventGrid/*",),
    ),
    Role(
        "EventGrid Data Sender",
        "d5a91429-5739-47e2-a06b-3470a27159e7",
        ("Microsoft.Authorization/*/read", "Microsoft.EventGrid/topics/read"),
        data_actions=(SEND_EVENTS,),
    ),
    Role(
        "Storage Blob Data Contributor",
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        (
            "Microsoft.Storage/storageAccounts/blobServices/containers/*",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ),
        data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*",),
    ),
    Role(
        "Storage Blob Data Owner",
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        (
            "Microsoft.Storage/storageAccounts/blobServices/containers/*",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ),
        data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*",),
    ),
    Role(
        "Storage Blob Data Reader",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        (
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ),
        data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
    ),
    Role(
        "Storage Queue Data Contributor",
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        ("Microsoft.Storage/storageAccounts/queueServices/queues/*",),
        data_actions=("Microsoft.Storage/storageAccounts/queueServices/queues/messages/*",),
    ),
    Role(
        "Storage Queue Data Message Sender",
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
        data_actions=("Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action",),
    ),
    Role(
        "Storage Table Data Contributor",
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        ("Microsoft.Storage/storageAccounts/tableServices/tables/*",),
        data_actions=("Microsoft.Storage/storageAccounts/tableServices/tables/entities/*",),
    ),
)

_DATA = ("Storage Blob Data Contributor", "Storage Queue Data Contributor", "Storage Table Data Contributor")
_WORK = ("AzureML Data Scientist", "AzureML Compute Operator", "EventGrid Data Sender", *_DATA)
# The roles in Tidepool's own resource group. The developer is also Owner of the subscription.
DEFAULT_ROLES: dict[str, tuple[str, ...]] = {
    "developer": ("EventGrid Data Sender", *_DATA),
    "tidegate": (*_WORK, "Reader", "AzureML Registry User"),
}
# The roles of identities that run jobs, and of identities that serve models. Each is a pair: the roles in the
# workspace, and the roles on the storage of the workspace.
JOB_ROLES = ("AzureML Data Scientist",), ("Storage Blob Data Contributor",)
BLOB_READER = "Storage Blob Data Reader"
SERVING_ROLES = (), (BLOB_READER,)


def roles_named(names: Iterable[str]) -> list[Role]:
    by_name = {role.name: role for role in ROLES}
    return [by_name[name] for name in names]


def role_of(definition_id: str) -> Role:
    """Return the role with this role definition id. The GUID in the id is enough.

    Raise AzureError 400 if Tidepool has no such role.
    """
    guid = definition_id.rstrip("/").rpartition("/")[2].lower()
    for role in ROLES:
        if role.id == guid:
            return role
    raise AzureError(
        400, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{guid}' does not exist."
    )


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(fnmatch.translate(pattern), action, re.IGNORECASE) for pattern in patterns)
