// An Azure ML workspace with its storage account, vault, registry and Application Insights.

@description('Name of the workspace.')
param name string

@description('Name that people see.')
param displayName string

@description('Name of its storage account. Azure ML does not support another one later.')
param storageName string

@description('Name of its vault.')
param vaultName string

@description('Name of its registry of images.')
param registryName string

@description('Name of its Application Insights.')
param insightsName string

@description('Id of the log workspace that Application Insights writes to.')
param logWorkspaceId string

@description('Region of all of it.')
param location string

@description('Tags of all of it.')
param tags object

@description('Tier of the registry. Private endpoints need Premium.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string

@description('Disabled: only private endpoints and trusted services reach the workspace and what it needs.')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

module storage 'storage.bicep' = {
  name: 'storage-${storageName}'
  params: {
    name: storageName
    location: location
    tags: tags
    publicNetworkAccess: publicNetworkAccess
  }
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    // A second deployment would wipe access policies. Roles stay.
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny'
    }
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: registryName
  location: location
  tags: tags
  sku: { name: registrySku }
  properties: {
    adminUserEnabled: false
    publicNetworkAccess: registrySku == 'Premium' ? publicNetworkAccess : 'Enabled'
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logWorkspaceId
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Basic', tier: 'Basic' }
  identity: { type: 'SystemAssigned' }
  properties: {
    friendlyName: displayName
    storageAccount: storage.outputs.id
    keyVault: vault.id
    containerRegistry: registry.id
    applicationInsights: insights.id
    // The storage account accepts no keys.
    systemDatastoresAuthMode: 'identity'
    publicNetworkAccess: publicNetworkAccess
    v1LegacyMode: false
  }
}
