// A Synapse workspace with serverless SQL over the published predictions. Deploy it into the group of the development
// workspace, then run sql/views.sql. Without a dedicated pool it costs only what queries read.

@description('Name of the Synapse workspace, unique in Azure.')
@minLength(3)
@maxLength(45)
param name string

@description('Region of the workspace.')
param location string = resourceGroup().location

@description('Tags of all of it.')
param tags object = {}

@description('Name of the storage account that Synapse itself needs, with a hierarchical namespace.')
@minLength(3)
@maxLength(24)
param lakeName string

@description('Storage account of the Azure ML workspace, in this group, whose predictions are read.')
param predictionsStorage string

@description('Object id of the person or group that administers Synapse.')
param adminId string

@description('Addresses from which people may query.')
param allowedAddresses { name: string, from: string, to: string }[] = []

resource lake 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: lakeName
  location: location
  tags: tags
  sku: { name: 'Standard_LRS' }
  kind: 'StorageV2'
  properties: {
    isHnsEnabled: true
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'

    resource container 'containers' = {
      name: 'synapse'
    }
  }
}

resource synapse 'Microsoft.Synapse/workspaces@2021-06-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    azureADOnlyAuthentication: true
    cspWorkspaceAdminProperties: { initialWorkspaceAdminObjectId: adminId }
    defaultDataLakeStorage: {
      accountUrl: lake.properties.primaryEndpoints.dfs
      filesystem: lake::blobs::container.name
    }
  }

  resource addresses 'firewallRules' = [
    for address in allowedAddresses: {
      name: address.name
      properties: { startIpAddress: address.from, endIpAddress: address.to }
    }
  ]
}

module roles '../modules/roles.bicep' = {
  name: 'synapse-roles'
  params: {
    identity: 'synapse'
    principalId: synapse.identity.principalId
    scopes: { 'development-storage': predictionsStorage, lake: lake.name }
  }
}

@description('Server to which sqlcmd connects.')
output server string = synapse.properties.connectivityEndpoints.sqlOnDemand
