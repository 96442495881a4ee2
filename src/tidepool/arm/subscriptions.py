"""The subscription and the resource group as resources, and the endpoints of the cloud."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind
from tidepool.default_resources import LOCATION, RESOURCE_GROUP, SUBSCRIPTION, TENANT
from tidepool.errors import AzureError

PROVIDER = "Microsoft.Resources"


def routes() -> Routes:
    """Return the routes that read the only subscription and the only resource group of Tidepool."""
    return {
        (kind("subscriptions", provider=PROVIDER), "GET"): _subscription,
        (kind("subscriptions/resourceGroups", provider=PROVIDER), "GET"): _group,
    }


async def _subscription(call: Call) -> Response:
    _check_name(call, call.path.names[0], SUBSCRIPTION, "SubscriptionNotFound")
    return JSONResponse(
        {
            "id": call.path.text,
            "subscriptionId": SUBSCRIPTION,
            "displayName": "Tidepool",
            "state": "Enabled",
            "tenantId": TENANT,
        }
    )


async def _group(call: Call) -> Response:
    _check_name(call, call.path.names[1], RESOURCE_GROUP, "ResourceGroupNotFound")
    return JSONResponse(
        {
            "id": call.path.text,
            "name": RESOURCE_GROUP,
            "location": LOCATION,
            "properties": {"provisioningState": "Succeeded"},
        }
    )


def _check_name(call: Call, name: str, existing: str, code: str) -> None:
    if name.lower() != existing.lower():
        raise AzureError(404, code, f"'{call.path.text}' could not be found.")


# https://learn.microsoft.com/rest/api/resources: GET /metadata/endpoints, which needs no token
ENDPOINTS = {
    "name": "AzureCloud",
    "portal": "https://portal.azure.com",
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "graph": "https://graph.windows.net/",
    "media": "https://rest.media.azure.net",
    "batch": "https://batch.core.windows.net/",
    "gallery": "https://gallery.azure.com/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    "suffixes": {
        "storage": "core.windows.net",
        "keyVaultDns": "vault.azure.net",
        "sqlServerHostname": "database.windows.net",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "acrLoginServer": "azurecr.io",
    },
}
