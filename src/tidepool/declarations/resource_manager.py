"""Deployments, the resource group, storage accounts, and resources that are only kept."""

from tidepool.declarations.metadata import IDENTITY, LOCATED, RESOURCE
from tidepool.declarations.words import Table, read_only, refused, stored, used

_RESOURCES = "integration/tidepool_resource_manager"
_TEMPLATE = f"{_RESOURCES}::a_template_makes_resources_in_the_order_of_their_dependencies"
_ACCOUNT = f"{_RESOURCES}::an_impossible_storage_account_is_refused"
_ONLY_KEPT = "nothing answers at the resource's host, so a program that uses it gets an error"

DEPLOYMENT: Table = {
    **LOCATED,
    "location": refused("a deployment to a resource group has no location", str),
    "properties": {
        "template": used(_TEMPLATE, dict),
        "parameters": used(_TEMPLATE, dict),
        "mode": refused("no resources are deleted by a deployment", str, only=("Incremental",)),
        "expressionEvaluationOptions": stored("they are for templates inside a template", dict),
        "debugSetting": stored("requests are not logged in any case", dict),
        "validationLevel": stored("all checks are made in any case"),
        "templateLink": refused("Tidepool reads no templates from elsewhere; send the template", dict),
        "parametersLink": refused("Tidepool reads no parameters from elsewhere; send them", dict),
        "onErrorDeployment": refused("no former deployment is repeated", dict),
        "extensionConfigs": refused("Tidepool has no extensions of Bicep", dict),
    },
}
RESOURCE_GROUP: Table = {
    **LOCATED,
    "managedBy": refused("no service manages groups of others"),
    "properties": read_only(dict),
}
_NO_NETWORK = "there is no network: every program reaches every account"
_NO_DIRECTORIES = (
    "a hierarchical namespace: Azurite, which stores the blobs, has no directories and no renames, so its "
    "events and listings would differ from Azure's"
)
_NO_VAULTS = "Tidepool has no key vaults"
_FILES_HERE = "files are on this machine"
_NO_PROTOCOL = "blobs are reached over HTTPS only"
_ACCOUNT_PROPERTIES: Table = {
    "allowSharedKeyAccess": used(f"{_RESOURCES}::an_account_can_refuse_its_keys", bool),
    "isHnsEnabled": refused(_NO_DIRECTORIES, bool, only=(False,)),
    "accessTier": stored("no blob is billed"),
    "allowBlobPublicAccess": stored("anonymous requests are refused in any case", bool),
    "allowCrossTenantReplication": stored("there is no replication", bool),
    "allowedCopyScope": stored("there is one tenant and no network"),
    "defaultToOAuthAuthentication": stored("it is a hint to the portal", bool),
    "dualStackEndpointPreference": stored(_NO_NETWORK, dict),
    "keyPolicy": stored("keys do not expire", dict),
    "largeFileSharesState": stored("there are no file shares"),
    "minimumTlsVersion": stored("Tidepool speaks TLS 1.2 and later"),
    "networkAcls": stored(_NO_NETWORK, dict),
    "publicNetworkAccess": stored(_NO_NETWORK),
    "routingPreference": stored(_NO_NETWORK, dict),
    "sasPolicy": stored("it only causes warnings", dict),
    "supportsHttpsTrafficOnly": stored("Tidepool speaks HTTPS only", bool),
    "encryption": {
        "keySource": refused(_NO_VAULTS, str, only=("Microsoft.Storage",)),
        "services": stored(_FILES_HERE, dict),
        "requireInfrastructureEncryption": stored(_FILES_HERE, bool),
        "keyvaultproperties": refused(_NO_VAULTS, dict),
        "identity": refused(_NO_VAULTS, dict),
    },
    "dnsEndpointType": refused("there are no other zones of DNS", str, only=("Standard",)),
    "isSftpEnabled": refused(_NO_PROTOCOL, bool, only=(False,)),
    "isNfsV3Enabled": refused(_NO_PROTOCOL, bool, only=(False,)),
    "isLocalUserEnabled": refused(_NO_PROTOCOL, bool, only=(False,)),
    "enableExtendedGroups": refused(_NO_PROTOCOL, bool, only=(False,)),
    "customDomain": refused(_NO_NETWORK, dict),
    "azureFilesIdentityBasedAuthentication": refused("there are no file shares", dict),
    "immutableStorageWithVersioning": refused("Azurite has no versions of blobs", dict),
    "provisioningState": read_only(str),
    "primaryEndpoints": read_only(dict),
    "primaryLocation": read_only(str),
    "statusOfPrimary": read_only(str),
}
STORAGE_ACCOUNT: Table = {
    **LOCATED,
    "kind": used(_ACCOUNT),
    "sku": used(_ACCOUNT, dict),
    "identity": IDENTITY,
    "extendedLocation": refused("there is one region", dict),
    "zones": refused("there is one region", list),
    "properties": _ACCOUNT_PROPERTIES,
}
_RETENTION = "Azurite deletes what is deleted: nothing can restore it"
_NO_VERSIONS = "Azurite has no versions of blobs"
RETENTION: Table = {
    "enabled": stored(_RETENTION, bool),
    "days": stored(_RETENTION, int),
    "allowPermanentDelete": stored(_RETENTION, bool),
}
BLOB_SERVICE: Table = {
    **RESOURCE,
    "sku": read_only(dict),
    "properties": {
        "deleteRetentionPolicy": RETENTION,
        "containerDeleteRetentionPolicy": RETENTION,
        "restorePolicy": refused(_RETENTION, dict),
        "isVersioningEnabled": refused(_NO_VERSIONS, bool, only=(False,)),
        "automaticSnapshotPolicyEnabled": refused(_NO_VERSIONS, bool, only=(False,)),
        "changeFeed": refused("Azurite has no change feed", dict),
        "cors": refused("answers have no headers for other sites", dict),
        "defaultServiceVersion": stored("clients name the version in their requests"),
        "lastAccessTimeTrackingPolicy": refused("the times of reads are not kept", dict),
    },
}
CONTAINER: Table = {
    **RESOURCE,
    "etag": read_only(str),
    "properties": {
        "publicAccess": refused("anonymous requests are refused", str, only=("None",)),
        "metadata": refused("set it with a client of storage", dict),
        "defaultEncryptionScope": refused("Azurite does not encrypt", str),
        "denyEncryptionScopeOverride": refused("Azurite does not encrypt", bool, only=(False,)),
        "immutableStorageWithVersioning": refused(_NO_VERSIONS, dict),
        "enableNfsV3AllSquash": refused("there are no file systems", bool, only=(False,)),
        "enableNfsV3RootSquash": refused("there are no file systems", bool, only=(False,)),
    },
}
NAME_CHECK: Table = {
    "name": used(f"{_RESOURCES}::a_storage_account_works_with_its_keys_and_is_deleted_with_its_blobs"),
    "type": stored("there is one type"),
}
KEPT: Table = {
    **LOCATED,
    "kind": stored(_ONLY_KEPT),
    "sku": stored(_ONLY_KEPT, dict),
    "identity": IDENTITY,
    "etag": read_only(str),
    "properties": stored(_ONLY_KEPT, dict),
}
