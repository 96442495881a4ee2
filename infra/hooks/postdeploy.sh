#!/bin/sh
# After `azd deploy`: the event subscriptions, what `tidegate deploy` makes, and a check of the whole installation.
set -eu
cd "$(dirname "$0")/../.."

# New roles take up to ten minutes, and a new function app a minute, until Azure knows them everywhere.
retry() {
  tries=1
  until "$@"; do
    [ "$tries" -lt 20 ] || { echo "$1 failed $tries times." >&2; exit 1; }
    tries=$((tries + 1))
    echo "Trying again in 30 seconds ($tries of 20) ..." >&2
    sleep 30
  done
}

retry az deployment sub create --subscription "$AZURE_SUBSCRIPTION_ID" --location "$AZURE_LOCATION" \
  --name "tidegate-subscriptions-$AZURE_ENV_NAME" --parameters infra/subscriptions.bicepparam --output none

FUNCTIONS_KEY="$(az functionapp keys list --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$TIDEGATE_RESOURCE_GROUP" \
  --name "$TIDEGATE_FUNCTION_APP" --query functionKeys.default --output tsv)"
export FUNCTIONS_KEY
# The service's own account is not the account of the feeds (AZURE_STORAGE_ACCOUNT).
retry env AzureWebJobsStorage__accountName="$TIDEGATE_STORAGE_ACCOUNT" .venv/bin/tidegate deploy
env AzureWebJobsStorage__accountName="$TIDEGATE_STORAGE_ACCOUNT" .venv/bin/tidegate doctor
