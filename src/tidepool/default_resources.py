"""The names and ids of the resources that a Tidepool starts with if it is given no template.

`default.bicep` describes these resources. The names in `default.bicepparam` are the same.
"""

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
TENANT = "00000000-0000-4000-8000-00000000000a"
RESOURCE_GROUP = "rg-tidepool"
LOCATION = "japaneast"
STORAGE_ACCOUNT = "tidepooldata"
# workspace -> its default storage account
WORKSPACES = {"mlw-dev": "mlwdevstore", "mlw-prod": "mlwprodstore"}
DEVELOPMENT, PRODUCTION = WORKSPACES
REGISTRY = "tidepool-registry"
CUSTOM_TOPIC = "tidegate-events"
MAILBOX_HOST = "mailbox.tidepool"
# The webhooks that the mailbox stands for: Slack's, Discord's, and those of workflows of Teams in our region.
SLACK_HOST, DISCORD_HOST = "hooks.slack.com", "discord.com"
TEAMS_HOSTS = f"*.{LOCATION}.logic.azure.com"
DEFAULT_SITE = "tidegate"  # the functions app of `tidepool up --app`

# `cloud.Tidepool` reads the address and the secret of a running supervisor from this file in the data folder.
# It sends the secret in this header.
STATE_FILE = "tidepool.json"
CONTROL_HEADER = "x-tidepool-token"
# This variable gives the supervisor the parameters of templates. A list of processes must not show them.
PARAMETERS = "TIDEPOOL_PARAMETERS"
# The longest time from the request to stop to the end of the supervisor, even if a component hangs.
STOP_WITHIN_S = 30

_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"


def seed_hint(account: str, container: str = "CONTAINER") -> str:
    """Return how to provide the files of a public account, which Tidepool cannot fetch from the internet."""
    return (
        "Tidepool has no internet. To provide the files of a public account, download them and run: "
        f"tidepool seed {account}/{container} FOLDER"
    )


def workspace_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.MachineLearningServices/workspaces/{name}"


def storage_account_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.Storage/storageAccounts/{name}"


def custom_topic_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.EventGrid/topics/{name}"


def custom_topic_host(name: str) -> str:
    return f"{name}.{LOCATION}-1.eventgrid.azure.net"


def site_id(name: str) -> str:
    return f"{_GROUP}/Microsoft.Web/sites/{name}"


def variables() -> dict[str, str]:
    """Return the environment variables that are the same whatever the templates make."""
    return {
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_LOCATION": LOCATION,
        "NOTIFY_URL": f"jsons://{MAILBOX_HOST}/notify",
    }
