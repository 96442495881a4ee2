// What Tidepool starts with if it is given no template. For people who only use Tidepool: nothing of it is for Azure.
targetScope = 'subscription'

@description('Region of all of it.')
param location string

@description('Name of the group.')
param groupName string

@description('Name of the storage account for files of one\'s own.')
param storageName string

@description('Name of the topic.')
param topicName string

@description('Name of the registry of Azure ML.')
param registryName string

@description('Workspaces, each with its storage account and its vault.')
param workspaces { name: string, storage: string, vault: string }[]

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
}

module resources 'default-resources.bicep' = {
  name: 'resources'
  scope: group
  params: {
    location: location
    storageName: storageName
    topicName: topicName
    registryName: registryName
    workspaces: workspaces
  }
}

@description('Group of everything.')
output AZURE_RESOURCE_GROUP string = groupName

@description('Group of the workspace for development.')
output AZURE_RESOURCE_GROUP_DEVELOPMENT string = groupName

@description('Group of the workspace for production.')
output AZURE_RESOURCE_GROUP_PRODUCTION string = groupName

@description('Storage account for files of one\'s own.')
output AZURE_STORAGE_ACCOUNT string = storageName

@description('Workspace for development.')
output AZUREML_WORKSPACE_DEVELOPMENT string = workspaces[0].name

@description('Workspace for production.')
output AZUREML_WORKSPACE_PRODUCTION string = workspaces[1].name

@description('Address of the topic.')
output TIDEGATE_EVENTS_ENDPOINT string = resources.outputs.endpoint
