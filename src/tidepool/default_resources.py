"""The names of the estate that every Tidepool starts with, and how resource ids are spelt.

Holds data only.
"""

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
TENANT = "00000000-0000-4000-8000-00000000000a"
RESOURCE_GROUP = "rg-tidepool"
LOCATION = "japaneast"
STORAGE_ACCOUNT = "tidepooldata"
# workspace -> its default storage account
WORKSPACES = {"mlw-dev": "mlwdevstore", "mlw-prod": "mlwprodstore"}
DEVELOPMENT, PRODUCTION = WORKSPACES
CUSTOM_TOPIC = "tidegate-events"
MAILBOX_HOST = "mailbox.tidepool"
DEFAULT_SITE = "tidegate"  # the functions app of `tidepool up --app`

# How a handle finds its supervisor: a file in the data folder, and the header for the secret in it.
STATE_FILE = "tidepool.json"
CONTROL_HEADER = "x-tidepool-token"
STOP_WITHIN_S = 30  # a supervisor that was told to end is gone then, come what may

_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"


def workspace_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.MachineLearningServices/workspaces/{name}"


def storage_account_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.Storage/storageAccounts/{name}"


def custom_topic_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.EventGrid/topics/{name}"


def custom_topic_host(name: str) -> str:
    return f"{name}.{LOCATION}-1.eventgrid.azure.net"


def variables() -> dict[str, str]:
    """The estate as environment variables: what a program has to be told, here as in Azure."""
    return {
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": RESOURCE_GROUP,
        "AZURE_LOCATION": LOCATION,
        "AZURE_STORAGE_ACCOUNT": STORAGE_ACCOUNT,
        "AZUREML_WORKSPACE_DEVELOPMENT": DEVELOPMENT,
        "AZUREML_WORKSPACE_PRODUCTION": PRODUCTION,
        "NOTIFY_URL": f"jsons://{MAILBOX_HOST}/notify",
        "TIDEGATE_EVENTS_ENDPOINT": f"https://{custom_topic_host(CUSTOM_TOPIC)}/api/events",
    }


def site_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.Web/sites/{name}"
