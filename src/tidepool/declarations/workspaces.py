"""Workspaces, registries and connections."""

from tidepool.declarations.metadata import IDENTITY, LOCATED, RESOURCE, SKU
from tidepool.declarations.words import SCALAR, Table, choice, read_only, refused, stored, unlisted, used

_RESOURCES = "integration/tidepool_resource_manager"
_CREATED = f"{_RESOURCES}::a_workspace_is_created_used_changed_and_deleted"
_REGISTRY = f"{_RESOURCES}::a_registry_is_created_used_and_deleted"
_CREDENTIALS = "integration/tidepool_resource_manager::a_connection_keeps_the_secrets_of_its_type"
_CONNECTION = f"{_RESOURCES}::a_connection_shows_its_secret_only_when_asked_for_it"
_IDENTITY = "integration/tidepool_roles::default_datastores_without_keys_need_roles"

_TEXT = "it is a text for people"
_NO_NETWORK = "Tidepool has no virtual networks: every program reaches every resource"
_NO_IMAGES = "images are not built"
_NO_KEYS = "Tidepool has no key vaults"
_NO_HUBS = "Tidepool has no hubs, projects and feature stores"
_DELETED = "the name of a deleted workspace cannot be used again"
_USERS = "Tidepool does not know for which users a connection is"
# The templates of the SDKs send texts in place of Booleans, and Azure accepts both.
_NO = (False, "false")

ENCRYPTION: Table = {
    "status": refused(_NO_KEYS, str, only=("Disabled",)),
    "identity": refused(_NO_KEYS, dict),
    "keyVaultProperties": {
        name: refused(_NO_KEYS, str) for name in ("identityClientId", "keyIdentifier", "keyVaultArmId")
    },
    "cosmosDbResourceId": refused(_NO_KEYS, str),
    "searchAccountResourceId": refused(_NO_KEYS, str),
    "storageAccountResourceId": refused(_NO_KEYS, str),
    "cosmosDbArmId": unlisted(refused(_NO_KEYS, str)),
    "searchAccountArmId": unlisted(refused(_NO_KEYS, str)),
    "storageAccountArmId": unlisted(refused(_NO_KEYS, str)),
}
MANAGED_NETWORK: Table = {
    "isolationMode": refused(_NO_NETWORK, str, only=("Disabled",)),
    "enableNetworkMonitor": refused(_NO_NETWORK, bool, only=_NO),
    "networkId": read_only(str),
    "outboundRules": refused(_NO_NETWORK, dict),
    "status": stored("without isolation, the network has no state", dict),
    "firewallSku": stored("without isolation, there is no firewall"),
    "managedNetworkKind": stored("without isolation, there is no network"),
    "firewallPublicIpAddress": read_only(str),
}
WORKSPACE: Table = {
    **LOCATED,
    "kind": refused(_NO_HUBS, str, only=("Default",)),
    "sku": {**SKU, **dict.fromkeys(("name", "tier"), refused("there is one level", str, only=("Basic",)))},
    "identity": IDENTITY,
    "properties": {
        "allowPublicAccessWhenBehindVnet": stored(_NO_NETWORK, SCALAR),
        "allowRoleAssignmentOnRG": unlisted(
            stored("it decides at which scope Azure makes the workspace's own roles", SCALAR)
        ),
        "allowRecoverSoftDeletedWorkspace": unlisted(refused(_DELETED, SCALAR, only=_NO)),
        "applicationInsights": stored("no metrics or logs are sent to it"),
        "associatedWorkspaces": refused(_NO_HUBS, list),
        "containerRegistry": stored(_NO_IMAGES),
        "description": stored(_TEXT),
        "discoveryUrl": read_only(str),
        "enableDataIsolation": refused("default datastores have containers of their own", SCALAR, only=_NO),
        "enableServiceSideCMKEncryption": refused(_NO_KEYS, SCALAR, only=_NO),
        "encryption": ENCRYPTION,
        "existingWorkspaces": unlisted(refused(_NO_HUBS, list)),
        "featureStoreSettings": {
            "computeRuntime": {"sparkRuntimeVersion": refused(_NO_HUBS, str)},
            "offlineStoreConnectionName": refused(_NO_HUBS, str),
            "onlineStoreConnectionName": refused(_NO_HUBS, str),
        },
        "friendlyName": stored(_TEXT),
        "hbiWorkspace": stored("it decides what Microsoft collects and how disks are encrypted", SCALAR),
        "hubResourceId": refused(_NO_HUBS, str),
        "imageBuildCompute": stored(_NO_IMAGES),
        "ipAllowlist": unlisted(stored(_NO_NETWORK, list)),
        "keyVault": used(_CREATED),
        "managedNetwork": MANAGED_NETWORK,
        "mlFlowTrackingUri": read_only(str),
        "networkAcls": unlisted(stored(_NO_NETWORK, dict)),
        "notebookInfo": read_only(dict),
        "primaryUserAssignedIdentity": refused("jobs act as the first identity of the workspace", str),
        "privateEndpointConnections": read_only(list),
        "privateLinkCount": read_only(int),
        "provisionNetworkNow": refused(_NO_NETWORK, SCALAR, only=_NO),
        "provisioningState": read_only(str),
        "publicNetworkAccess": stored(_NO_NETWORK),
        "serverlessComputeSettings": {
            "serverlessComputeCustomSubnet": stored(_NO_NETWORK),
            "serverlessComputeNoPublicIP": stored(_NO_NETWORK, bool),
        },
        "serviceManagedResourcesSettings": refused("Tidepool has no Cosmos DB", dict),
        "serviceProvisionedResourceGroup": read_only(str),
        "sharedPrivateLinkResources": refused(_NO_NETWORK, list),
        "softDeleteEnabled": unlisted(refused(_DELETED, SCALAR, only=_NO)),
        "storageAccount": used(_CREATED),
        "storageHnsEnabled": read_only(bool),
        "systemDatastoresAuthMode": used(
            _IDENTITY, only=("accessKey", "identity", ""), reason="default datastores have no SAS"
        ),
        "tenantId": read_only(str),
        "v1LegacyMode": refused("Tidepool has no API of version 1", SCALAR, only=_NO),
        "workspaceHubConfig": {
            "additionalWorkspaceStorageAccounts": refused(_NO_HUBS, list),
            "defaultWorkspaceResourceGroup": refused(_NO_HUBS, str),
        },
        "workspaceId": read_only(str),
    },
}

_OWN_ACCOUNT = "a registry gets a plain storage account of its own"
REGISTRY: Table = {
    **LOCATED,
    "kind": stored("registries have one kind"),
    "sku": SKU,
    "identity": IDENTITY,
    "properties": {
        "discoveryUrl": read_only(str),
        "intellectualPropertyPublisher": stored(_TEXT),
        "managedResourceGroup": refused("there is one resource group", dict),
        "managedResourceGroupSettings": refused("there is one resource group", dict),
        "managedResourceGroupTags": unlisted(stored("there is one resource group", dict)),
        "mlFlowRegistryUri": read_only(str),
        "registryPrivateEndpointConnections": refused(_NO_NETWORK, list),
        "publicNetworkAccess": stored(_NO_NETWORK),
        "regionDetails": used(_REGISTRY, list),
        "storageAccount": unlisted(read_only(str)),
        "provisioningState": unlisted(read_only(str)),
    },
}

_SECRETS: dict[str, tuple[str, ...]] = {
    "AccessKey": ("accessKeyId", "secretAccessKey"),
    "AccountKey": ("key",),
    "ApiKey": ("key",),
    "ManagedIdentity": ("clientId", "resourceId"),
    "OAuth2": (
        *("authUrl", "clientId", "clientSecret", "developerToken", "password", "refreshToken", "tenantId"),
        "username",
    ),
    "PAT": ("pat",),
    "SAS": ("sas",),
    "ServicePrincipal": ("clientId", "clientSecret", "tenantId"),
    "UsernamePassword": ("password", "securityToken", "username"),
}
_NO_CREDENTIALS: Table = {"credentials": unlisted(stored("this kind of connection has none", dict))}
CONNECTION: Table = {
    **RESOURCE,
    "properties": choice(
        "authType",
        shared={
            "category": used(_CONNECTION),
            "createdByWorkspaceArmId": read_only(str),
            "error": stored("nothing connects"),
            "expiryTime": stored("secrets do not expire"),
            "group": read_only(str),
            "isSharedToAll": stored(_USERS, bool),
            "metadata": stored("programs that read the connection use it", dict),
            "peRequirement": stored(_NO_NETWORK),
            "peStatus": stored(_NO_NETWORK),
            "sharedUserList": stored(_USERS, list),
            "target": used(_CONNECTION),
            "useWorkspaceManagedIdentity": stored("nothing connects", bool),
            "value": unlisted(stored("an old form of the credentials")),
            "valueFormat": unlisted(stored("an old form of the credentials")),
        },
        variants={
            "AAD": _NO_CREDENTIALS,
            "None": _NO_CREDENTIALS,
            "CustomKeys": {"credentials": {"keys": used(_CREDENTIALS, dict)}},
            **{
                name: {"credentials": {key: used(_CREDENTIALS) for key in keys}}
                for name, keys in _SECRETS.items()
            },
        },
    ),
}
