"""Functions apps: sites on the plan Flex Consumption, and their policies for passwords."""

from tidepool.declarations.metadata import IDENTITY, LOCATED, RESOURCE
from tidepool.declarations.words import Table, items, read_only, refused, stored, used

_TEMPLATE = "integration/tidepool_template::the_product_s_own_template_runs"
_REFUSED = "integration/tidepool_template::what_azure_refuses_of_a_functions_app_is_refused"

_NO_NETWORK = "Tidepool has no virtual networks: every program reaches every app"
_NO_SCALE = "an app is one process on this machine"
_CODE = "the code is the folder of `tidepool up --app`"
_SIGN_IN = "integration/tidepool_sites::a_template_turns_the_sign_in_of_its_site_on_and_off"
_PERSON = "people choose who they are on a page of Tidepool"
_ANONYMOUS = "only a sign-in that lets requests without one pass is emulated"
_LOGIN = "nothing answers at the publishing endpoints"
_NO_VAULTS = "settings are not read from key vaults"
_NO_SLOTS = "Flex Consumption has no slots"

SITE: Table = {
    **LOCATED,
    "kind": refused("only functions apps on Linux are emulated", str, only=("functionapp,linux",)),
    "identity": IDENTITY,
    "extendedLocation": refused("there is one region", dict),
    "properties": {
        "serverFarmId": used(_REFUSED),
        "httpsOnly": stored("apps of this machine answer to HTTP of this machine", bool),
        "enabled": refused("apps run until Tidepool stops", bool, only=(True,)),
        "keyVaultReferenceIdentity": stored(_NO_VAULTS),
        "virtualNetworkSubnetId": stored(_NO_NETWORK),
        "publicNetworkAccess": stored(_NO_NETWORK),
        "clientAffinityEnabled": stored(_NO_SCALE, bool),
        "reserved": stored("apps run on Linux", bool),
        "functionAppConfig": {
            "deployment": {
                "storage": {
                    "type": stored(_CODE),
                    "value": stored(_CODE),
                    "authentication": {
                        "type": stored(_CODE),
                        "userAssignedIdentityResourceId": stored(_CODE),
                        "storageAccountConnectionStringName": refused("packages are not read with keys", str),
                    },
                }
            },
            "runtime": {
                "name": refused("functions run in Python", str, only=("python",)),
                "version": used(_REFUSED),
            },
            "scaleAndConcurrency": {
                "instanceMemoryMB": used(_REFUSED, int),
                "maximumInstanceCount": used(_REFUSED, int),
                "alwaysReady": stored(_NO_SCALE, list),
                "triggers": {"http": {"perInstanceConcurrency": used(_REFUSED, int)}},
            },
            "siteUpdateStrategy": stored(_NO_SCALE, dict),
        },
        "siteConfig": {
            "minTlsVersion": stored("apps of this machine answer to HTTP of this machine"),
            "scmMinTlsVersion": stored(_LOGIN),
            "ftpsState": stored(_LOGIN),
            "http20Enabled": stored("apps of this machine answer to HTTP 1.1", bool),
            "alwaysOn": stored(_NO_SCALE, bool),
            "appSettings": items({"name": used(_TEMPLATE), "value": used(_TEMPLATE)}),
            "connectionStrings": refused("functions read app settings", list),
            "cors": refused("answers have no headers for other sites", dict),
            "ipSecurityRestrictions": refused(_NO_NETWORK, list),
        },
        "defaultHostName": read_only(str),
        "state": read_only(str),
        "provisioningState": read_only(str),
    },
}
PUBLISHING_POLICY: Table = {**RESOURCE, "kind": read_only(str), "properties": {"allow": stored(_LOGIN, bool)}}
# The site's config `authsettingsV2`: App Service's authentication.
# https://learn.microsoft.com/azure/app-service/configure-authentication-file-based
AUTHENTICATION: Table = {
    **RESOURCE,
    "kind": read_only(str),
    "properties": {
        "platform": {
            "enabled": used(_SIGN_IN, bool),
            "runtimeVersion": stored("there is one version", str),
            "configFilePath": refused("the settings are those of the request", str),
        },
        "globalValidation": {
            "requireAuthentication": refused(_ANONYMOUS, bool, only=(False,)),
            "unauthenticatedClientAction": refused(_ANONYMOUS, str, only=("AllowAnonymous",)),
            "redirectToProvider": refused(_ANONYMOUS, str),
            "excludedPaths": refused(_ANONYMOUS, list),
        },
        "identityProviders": {
            "azureActiveDirectory": {
                "enabled": refused("it is the only provider", bool, only=(True,)),
                "registration": {
                    "clientId": stored(_PERSON),
                    "openIdIssuer": stored(_PERSON),
                    "clientSecretSettingName": stored(_PERSON),
                },
                "validation": {"allowedAudiences": stored(_PERSON, list)},
                "login": refused(_PERSON, dict),
                "isAutoProvisioned": read_only(bool),
            },
        },
        "login": refused("sessions last for eight hours, in a cookie", dict),
        "httpSettings": refused("the paths are those of App Service", dict),
    },
}
