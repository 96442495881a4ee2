"""The declaration of each request body, by the kind of the resource, and by the action of a POST request."""

from collections.abc import Callable, Mapping
from typing import Any

from tidepool.declarations import (
    access,
    assets,
    batch,
    computes,
    datastores,
    endpoints,
    events,
    jobs,
    resource_manager,
    schedules,
    web,
    workspaces,
)
from tidepool.declarations.checks import checked_body, problems_of
from tidepool.declarations.words import Table, refused, stored, used

_ML = "Microsoft.MachineLearningServices"
_IMPORT = "integration/tidepool_registry::a_shared_model_has_its_files_and_tags_in_the_registry"
_SHARED = "integration/tidepool_registry::assets_can_be_created_in_the_registry"


def _in_workspaces_and_registries() -> dict[str, Table]:
    versions = {
        "data": assets.DATA,
        "models": assets.MODEL,
        "codes": assets.CODE,
        "environments": assets.ENVIRONMENT,
        "components": assets.COMPONENT,
    }
    declared: dict[str, Table] = {}
    for owner in ("workspaces", "registries"):
        for name, table in versions.items():
            container = assets.DATA_CONTAINER if name == "data" else assets.CONTAINER
            declared[f"{_ML}/{owner}/{name}"] = container
            declared[f"{_ML}/{owner}/{name}/versions"] = table
    return declared


# The bodies of PUT and PATCH requests.
RESOURCES: Mapping[str, Table] = {
    f"{_ML}/workspaces": workspaces.WORKSPACE,
    f"{_ML}/workspaces/connections": workspaces.CONNECTION,
    f"{_ML}/registries": workspaces.REGISTRY,
    f"{_ML}/workspaces/jobs": jobs.JOB_BODY,
    **_in_workspaces_and_registries(),
    f"{_ML}/workspaces/computes": computes.COMPUTE,
    f"{_ML}/workspaces/datastores": datastores.DATASTORE,
    f"{_ML}/workspaces/schedules": schedules.SCHEDULE,
    f"{_ML}/workspaces/batchEndpoints": batch.ENDPOINT,
    f"{_ML}/workspaces/batchEndpoints/deployments": batch.DEPLOYMENT,
    f"{_ML}/workspaces/batchEndpoints/jobs": batch.INVOCATION,
    f"{_ML}/workspaces/onlineEndpoints": endpoints.ENDPOINT,
    f"{_ML}/workspaces/onlineEndpoints/deployments": endpoints.DEPLOYMENT,
    "Microsoft.EventGrid/eventSubscriptions": events.SUBSCRIPTION,
    "Microsoft.EventGrid/topics": events.TOPIC,
    "Microsoft.EventGrid/systemTopics": events.SYSTEM_TOPIC,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": events.SUBSCRIPTION,
    "Microsoft.Authorization/roleAssignments": access.ROLE_ASSIGNMENT,
    "Microsoft.Resources/deployments": resource_manager.DEPLOYMENT,
    "Microsoft.Resources/subscriptions/resourceGroups": resource_manager.RESOURCE_GROUP,
    "Microsoft.Storage/storageAccounts": resource_manager.STORAGE_ACCOUNT,
    "Microsoft.Storage/storageAccounts/blobServices": resource_manager.BLOB_SERVICE,
    "Microsoft.Storage/storageAccounts/blobServices/containers": resource_manager.CONTAINER,
    "Microsoft.Web/serverfarms": resource_manager.KEPT,
    "Microsoft.Web/sites": web.SITE,
    "Microsoft.Web/sites/config": web.AUTHENTICATION,
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": web.PUBLISHING_POLICY,
    "Microsoft.KeyVault/vaults": resource_manager.KEPT,
    "Microsoft.Insights/components": resource_manager.KEPT,
    "Microsoft.OperationalInsights/workspaces": resource_manager.KEPT,
    "Microsoft.ContainerRegistry/registries": resource_manager.KEPT,
    "Microsoft.ManagedIdentity/userAssignedIdentities": resource_manager.KEPT,
    f"{_ML}/registries/tempdatarefs/versions": {
        "assetId": used(_SHARED),
        "temporaryDataReferenceId": stored("each upload has a container of its own"),
        "temporaryDataReferenceType": stored("there is one type"),
    },
}
_PENDING_UPLOAD: Table = {
    "pendingUploadId": stored("a version always gets the same container"),
    "pendingUploadType": refused(
        "uploads go to a container of the workspace", str, only=("TemporaryBlobReference",)
    ),
}
# The bodies of POST requests, by kind and action. An action that is not in this table has no body.
ACTIONS: Mapping[tuple[str, str], Table] = {
    ("Microsoft.Resources/deployments", "validate"): resource_manager.DEPLOYMENT,
    ("Microsoft.Storage", "checknameavailability"): resource_manager.NAME_CHECK,
    (f"{_ML}/workspaces/onlineEndpoints/deployments", "getlogs"): {
        "containerType": used(
            "integration/tidepool_endpoints::a_script_answers_and_its_output_is_in_the_log"
        ),
        "tail": used("integration/tidepool_endpoints::a_script_answers_and_its_output_is_in_the_log", int),
    },
    (f"{_ML}/workspaces/onlineEndpoints", "regeneratekeys"): {
        "keyType": used(
            "integration/tidepool_endpoints::a_wrong_key_is_refused_and_a_new_one_replaces_the_old"
        ),
        "keyValue": used(
            "integration/tidepool_endpoints::a_wrong_key_is_refused_and_a_new_one_replaces_the_old"
        ),
    },
    (f"{_ML}/workspaces/schedules", "trigger"): schedules.TRIGGER_NOW,
    (f"{_ML}/workspaces/datastores", "listsecrets"): {
        "expirableSecret": stored("secrets are account keys, which do not expire", bool),
        "expireAfterHours": stored("secrets are account keys, which do not expire", int),
    },
    (f"{_ML}/registries", "import"): {
        "properties": {
            "referenceType": refused("a registry imports assets by their ids", str, only=("Id",)),
            "sourceAssetId": used(_IMPORT),
            "destinationName": used(_IMPORT),
            "destinationVersion": used(_IMPORT),
        }
    },
    (f"{_ML}/registries/datarefs/versions", "POST"): {
        "assetId": stored("the location says which files are wanted"),
        "blobUri": used(_IMPORT),
    },
    **{
        (f"{_ML}/workspaces/{name}/versions", "startpendingupload"): _PENDING_UPLOAD
        for name in ("codes", "data", "models")
    },
}
_BY_KIND = {kind.lower(): table for kind, table in RESOURCES.items()}
_BY_ACTION = {(kind.lower(), action): table for (kind, action), table in ACTIONS.items()}


def is_declared(kind: str) -> bool:
    """Return whether a table declares the resources of a kind, which is given in lower case."""
    return kind in _BY_KIND


def check_body(kind: str, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked body of a request. `kind` is in lower case, and a `verb` in lower case is an action.

    Raise AzureError if the body has a property that Tidepool does not emulate, or a value of a wrong type.
    """
    table = _BY_KIND.get(kind) if verb in ("PUT", "PATCH") else _BY_ACTION.get((kind, verb), {})
    if table is None:
        return dict(body)
    name = kind.partition("/")[2] if verb in ("PUT", "PATCH") else f"{kind.partition('/')[2]}/{verb}"
    return checked_body(table, body, name)


def body_problems(kind: str, body: Mapping[str, Any], is_open: Callable[[Any], bool]) -> list[str]:
    """Return all that is wrong with the body of a PUT request for a resource. `kind` may be in any case.

    `is_open` returns whether a value is known only later.
    """
    table = _BY_KIND.get(kind.lower())
    return [] if table is None else problems_of(table, body, kind.partition("/")[2], is_open)
