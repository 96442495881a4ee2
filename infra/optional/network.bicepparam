using 'network.bicep'

param name = 'vnet-sample'
param location = 'japaneast'
param endpoints = [
  {
    name: 'service-blob'
    resourceId: '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-sample-service/providers/Microsoft.Storage/storageAccounts/stsample'
    part: 'blob'
  }
  {
    name: 'service-queue'
    resourceId: '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-sample-service/providers/Microsoft.Storage/storageAccounts/stsample'
    part: 'queue'
  }
  {
    name: 'service-table'
    resourceId: '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-sample-service/providers/Microsoft.Storage/storageAccounts/stsample'
    part: 'table'
  }
  {
    name: 'development'
    resourceId: '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-sample-development/providers/Microsoft.MachineLearningServices/workspaces/mlw-dev-sample'
    part: 'amlworkspace'
  }
]
