"""Datastores of a workspace."""

from tidepool.declarations.metadata import DESCRIBED, RESOURCE
from tidepool.declarations.words import Shape, Table, choice, read_only, refused, stored, unlisted, used

_CREATED = "integration/tidepool_resources::a_user_creates_a_datastore_without_credentials"
_NAMES = "the names of storage accounts are unique in Azure"
_CLOUD = "there is one cloud"
_AUTHORITIES = ("https://login.microsoftonline.com", "https://login.microsoftonline.com/")
_KEY = "integration/tidepool_declarations::the_key_of_a_datastore_must_be_the_key_of_its_account"

_SIGNED = "integration/tidepool_roles::a_job_uses_the_credentials_of_a_datastore"

_CREDENTIALS: Shape = choice(
    "credentialsType",
    {},
    {
        "None": {},
        "AccountKey": {
            "secrets": {
                "key": used(_KEY),
                "secretsType": refused("the credentials are an account key", str, only=("AccountKey",)),
            }
        },
        "Sas": {
            "secrets": {
                "sasToken": used(_SIGNED),
                "secretsType": refused("the credentials are a SAS", str, only=("Sas",)),
            }
        },
        "ServicePrincipal": {
            "tenantId": used(_SIGNED),
            "clientId": used(_SIGNED),
            "authorityUrl": refused(_CLOUD, str, only=_AUTHORITIES),
            "resourceUrl": stored("tokens are for storage"),
            "secrets": {
                "clientSecret": used(_SIGNED),
                "secretsType": refused(
                    "the credentials are a service principal", str, only=("ServicePrincipal",)
                ),
            },
        },
        "Certificate": refused("service principals sign in with a client secret, not with a certificate"),
    },
)
_ACCOUNT: Table = {
    "accountName": used(_CREATED),
    "resourceGroup": stored(_NAMES),
    "subscriptionId": stored(_NAMES),
    "endpoint": refused(_CLOUD, str, only=("core.windows.net",)),
    "protocol": stored("a job reads and writes the same blobs over each protocol"),
    "serviceDataAccessAuthIdentity": stored("only the pages of Azure's studio use it"),
}
DATASTORE: Table = {
    **RESOURCE,
    "properties": choice(
        "datastoreType",
        {
            **DESCRIBED,
            "credentials": _CREDENTIALS,
            "isDefault": read_only(bool),
            "isArchived": unlisted(read_only(bool)),
        },
        {
            "AzureBlob": {**_ACCOUNT, "containerName": used(_CREATED)},
            "AzureDataLakeGen2": {**_ACCOUNT, "filesystem": used(_CREATED)},
            "AzureFile": refused("Tidepool has no file shares"),
            "AzureDataLakeGen1": refused("Azure has retired this service"),
            "OneLake": refused("Tidepool has no Microsoft Fabric"),
            "Hdfs": refused("Tidepool has no Hadoop"),
        },
    ),
}
