// An Azure ML registry, through which models are promoted with `via: registry`. Deploy it into the group of the service.

@description('Name of the registry.')
@minLength(3)
@maxLength(32)
param name string

@description('Region of the registry.')
param location string = resourceGroup().location

@description('Tags of the registry.')
param tags object = {}

@description('Name of the identity of the function app, in this group: id-...')
param appIdentityName string

@description('Disabled: only private endpoints reach the registry.')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string = 'Enabled'

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource registry 'Microsoft.MachineLearningServices/registries@2025-12-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    publicNetworkAccess: publicNetworkAccess
    regionDetails: [
      {
        location: location
        acrDetails: [{ systemCreatedAcrAccount: { acrAccountSku: 'Premium' } }]
        storageAccountDetails: [
          {
            systemCreatedStorageAccount: {
              storageAccountType: 'Standard_LRS'
              storageAccountHnsEnabled: false
              allowBlobPublicAccess: false
            }
          }
        ]
      }
    ]
  }
}

module roles '../modules/roles.bicep' = {
  name: 'registry-roles'
  params: {
    identity: 'app'
    principalId: appIdentity.properties.principalId
    scopes: { registry: registry.name }
  }
}
