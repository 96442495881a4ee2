// A storage account that only identities can open, with its containers.

@description('Name of the account.')
param name string

@description('Region of the account.')
param location string

@description('Tags of the account.')
param tags object

@description('Containers to create.')
param containers string[] = []

@description('For how many days deleted blobs and containers can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 7

@description('Disabled: only private endpoints, and trusted services such as Event Grid, reach the account.')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

var retention = { enabled: true, days: softDeleteDays }

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard_LRS' }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      // Event Grid is a trusted service: it writes dead letters although the account is private.
      bypass: 'AzureServices'
      defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: retention
    containerDeleteRetentionPolicy: retention
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

@description('Id of the account.')
output id string = account.id

@description('Address of its blobs, with a slash at the end.')
output blobEndpoint string = account.properties.primaryEndpoints.blob
