// The identity of the function app. It has its roles before the app starts, and keeps them if the app is made again.

@description('Name of the identity.')
param name string

@description('Region of the identity.')
param location string

@description('Tags of the identity.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Id of the identity.')
output id string = identity.id

@description('Object id, to which roles are assigned.')
output principalId string = identity.properties.principalId

@description('Client id, with which the app asks for tokens.')
output clientId string = identity.properties.clientId
