# After `azd deploy`: the event subscriptions, what `tidegate deploy` makes, and a check of the whole installation.
$ErrorActionPreference = 'Stop'
Set-Location "$PSScriptRoot/../.."

# New roles take up to ten minutes, and a new function app a minute, until Azure knows them everywhere.
function Invoke-WithRetry([scriptblock] $Command) {
    foreach ($try in 1..20) {
        & $Command
        if ($LASTEXITCODE -eq 0) { return }
        Write-Host "Try $try of 20 failed. Trying again in 30 seconds ..."
        Start-Sleep -Seconds 30
    }
    throw "$Command failed 20 times."
}

Invoke-WithRetry {
    az deployment sub create --subscription $env:AZURE_SUBSCRIPTION_ID --location $env:AZURE_LOCATION `
        --name "tidegate-subscriptions-$env:AZURE_ENV_NAME" --parameters infra/subscriptions.bicepparam --output none
}

$env:FUNCTIONS_KEY = az functionapp keys list --subscription $env:AZURE_SUBSCRIPTION_ID `
    --resource-group $env:TIDEGATE_RESOURCE_GROUP --name $env:TIDEGATE_FUNCTION_APP --query functionKeys.default --output tsv
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
# The service's own account is not the account of the feeds (AZURE_STORAGE_ACCOUNT).
$env:AzureWebJobsStorage__accountName = $env:TIDEGATE_STORAGE_ACCOUNT
$tidegate = if (Test-Path .venv/bin/tidegate) { '.venv/bin/tidegate' } else { '.venv/Scripts/tidegate.exe' }
Invoke-WithRetry { & $tidegate deploy }
& $tidegate doctor
exit $LASTEXITCODE
