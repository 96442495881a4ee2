// The alerts that main.bicep installs if it has an address for them.
using '../modules/alerts.bicep'

param actionGroupName = 'ag-sample'
param email = 'on-call@example.com'
param insightsId = '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-sample/providers/Microsoft.Insights/components/appi-sample'
param location = 'japaneast'
param tags = {}
