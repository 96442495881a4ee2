// The resources in the group of default.bicep.

@description('Region of all of it.')
param location string

@description('Name of the storage account for files of one\'s own.')
param storageName string

@description('Name of the topic.')
param topicName string

@description('Name of the registry of Azure ML.')
param registryName string

@description('Workspaces, each with its storage account and its vault.')
param workspaces { name: string, storage: string, vault: string }[]

var names = [for item in workspaces: item.storage]

// With keys, so that samples of any kind run.
resource accounts 'Microsoft.Storage/storageAccounts@2026-04-01' = [
  for name in concat([storageName], names): {
    name: name
    location: location
    sku: { name: 'Standard_LRS' }
    kind: 'StorageV2'
  }
]

resource vaults 'Microsoft.KeyVault/vaults@2026-02-01' = [
  for item in workspaces: {
    name: item.vault
    location: location
    properties: {
      tenantId: tenant().tenantId
      sku: { family: 'A', name: 'standard' }
      enableRbacAuthorization: true
    }
  }
]

resource machineLearning 'Microsoft.MachineLearningServices/workspaces@2025-12-01' = [
  for (item, i) in workspaces: {
    name: item.name
    location: location
    identity: { type: 'SystemAssigned' }
    properties: {
      storageAccount: accounts[i + 1].id
      keyVault: vaults[i].id
    }
  }
]

resource registry 'Microsoft.MachineLearningServices/registries@2025-12-01' = {
  name: registryName
  location: location
  identity: { type: 'SystemAssigned' }
  properties: { regionDetails: [{ location: location }] }
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: topicName
  location: location
  properties: { inputSchema: 'EventGridSchema' }
}

@description('Address of the topic.')
output endpoint string = topic.properties.endpoint
